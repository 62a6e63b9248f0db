"""A convolution that looks at neighbours, channel by channel."""

from __future__ import annotations

from torch import nn

from irbox.layers.pointwise_conv import PointwiseConv2d


class DepthwiseConv(nn.Sequential):
    """3x3 depthwise convolution, (B, C, H, W) -> same shape.

    Args:
        dim: Number of channels.
        pointwise: Follow it with a 1x1 convolution: a depthwise separable convolution.
        bias: Give the convolutions a bias.
    """

    def __init__(self, dim: int, pointwise: bool = False, bias: bool = False) -> None:
        layers = [nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=bias)]
        if pointwise:
            layers.append(PointwiseConv2d(dim, dim, bias=bias))
        super().__init__(*layers)
