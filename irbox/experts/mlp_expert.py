"""The expert of both published systems."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.registry import EXPERTS
from irbox.utils.bounded import PositiveFloat


@EXPERTS.register_module()
class MLPExpert(nn.Module):
    """Two-layer perceptron with GELU on each pixel.

    Args:
        dim: Number of channels.
        ratio: Hidden width relative to ``dim``, rounded down: 2.66 in M2Restore's public code, 1.5
            fits M2IR's cost.
    """

    pointwise = True
    two_layers = True
    """``fc2(gelu(fc1(x)))``: kernels may compute it for many experts at once."""

    def __init__(self, dim: int, ratio: PositiveFloat = 2.66) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel, (B, C, H, W) -> same shape."""
        pixels = x.permute(0, 2, 3, 1)
        answer: Tensor = self.fc2(self.act(self.fc1(pixels))).permute(0, 3, 1, 2)
        return answer
