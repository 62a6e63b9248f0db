"""A convolution that looks at neighbours, channel by channel."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.fused import depthwise_conv_gradient, layers
from irbox.layers.fused.switch import can_learn_fused, can_run_fused
from irbox.layers.pointwise_conv import PointwiseConv2d


def convolve_depthwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute ``conv(x)`` of a depthwise convolution, (B, C, H, W) -> same shape.

    3x3 by one launch where fused kernels may compute, in channels-last memory, for which torch has
    no fast kernel on CUDA devices.
    """
    if can_run_fused(x, conv):
        return layers.depthwise_conv(conv, x)
    if can_learn_fused(x, conv):
        return depthwise_conv_gradient.depthwise_conv(conv, x)
    answer: Tensor = conv(x)
    return answer


class DepthwiseConv(nn.Sequential):
    """3x3 depthwise convolution, (B, C, H, W) -> same shape.

    Args:
        dim: Number of channels.
        pointwise: Follow it with a 1x1 convolution: a depthwise separable convolution.
        bias: Give the convolutions a bias.
    """

    def __init__(self, dim: int, pointwise: bool = False, bias: bool = False) -> None:
        parts: list[nn.Module] = [nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=bias)]
        if pointwise:
            parts.append(PointwiseConv2d(dim, dim, bias=bias))
        super().__init__(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map."""
        for layer in self:
            x = convolve_depthwise(layer, x) if type(layer) is nn.Conv2d else layer(x)
        return x
