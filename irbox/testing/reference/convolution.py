"""Convolutions as PyTorch has them."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.depthwise_conv import DepthwiseConv
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.testing.reference.twins import twin_of


@twin_of(PointwiseConv2d)
class TextbookPointwiseConv(PointwiseConv2d):
    """``nn.Conv2d`` with a kernel of 1x1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim_in, H, W) -> (B, dim_out, H, W)."""
        answer: Tensor = nn.Conv2d.forward(self, x)
        return answer


@twin_of(DepthwiseConv)
class TextbookDepthwiseConv(DepthwiseConv):
    """One layer after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        for layer in self:
            x = layer(x)
        return x


@twin_of(Downsample)
class TextbookDownsample(Downsample):
    """A 3x3 convolution, then pixel-unshuffle."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 2C, H/2, W/2)."""
        convolution, unshuffle = self
        answer: Tensor = unshuffle(convolution(x))
        return answer


@twin_of(Upsample)
class TextbookUpsample(Upsample):
    """A 3x3 convolution, then pixel-shuffle."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C/2, 2H, 2W)."""
        convolution, shuffle = self
        answer: Tensor = shuffle(convolution(x))
        return answer
