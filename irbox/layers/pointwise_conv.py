"""The 1x1 convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution, computed as a linear layer on the pixels.

    Equal to ``nn.Conv2d(dim_in, dim_out, 1)``, whose weights it has. With feature maps in
    channels-last memory it is one matrix product on a view; PyTorch's own 1x1 convolution copies
    the map on CPUs where it chooses its slow path.

    Args:
        dim_in: Channels in.
        dim_out: Channels out.
        bias: Add a bias.
    """

    def __init__(self, dim_in: int, dim_out: int, bias: bool = True) -> None:
        super().__init__(dim_in, dim_out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel, (B, dim_in, H, W) -> (B, dim_out, H, W)."""
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(
            0, 3, 1, 2
        )
