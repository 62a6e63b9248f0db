"""An expert in which one half gates the other."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.gate import gelu_gate
from irbox.registry import EXPERTS
from irbox.utils.bounded import PositiveFloat


@EXPERTS.register_module()
class GatedExpert(nn.Module):
    """Gated linear unit with GELU on each pixel: ``W3(gelu(W1 x) * W2 x)``.

    At ratio 1 it has the weights of ``MLPExpert`` at 1.5; M2IR's cost does not tell them apart.

    Args:
        dim: Number of channels.
        ratio: Hidden width relative to ``dim``, rounded down.
    """

    pointwise = True

    def __init__(self, dim: int, ratio: PositiveFloat = 1.0) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.fc1 = nn.Linear(dim, 2 * hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel, (B, C, H, W) -> same shape."""
        answer: Tensor = self.fc2(gelu_gate(self.fc1(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        return answer
