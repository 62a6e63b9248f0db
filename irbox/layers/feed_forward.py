"""The feed-forward layer of Restormer-like blocks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d


class GatedFeedForward(nn.Module):
    """Two branches of which one gates the other (GDFN in Restormer).

    Args:
        dim: Number of channels.
        ratio: Width of a branch relative to ``dim``, rounded down.
        bias: Give the convolutions a bias.
    """

    def __init__(self, dim: int, ratio: float = 2.66, bias: bool = False) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.project_in = PointwiseConv2d(dim, 2 * hidden, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = PointwiseConv2d(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel with its neighbours, (B, C, H, W) -> same shape."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        answer: Tensor = self.project_out(F.gelu(gate) * value)
        return answer
