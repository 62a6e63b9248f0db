"""NAFNet's block: restoration without activation functions.

plugins: [plugins/naf_block.py]
model: {network: {encoder: {block: {_delete_: true, type: NAFBlock}}}}
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage


class LocalMean(nn.Module):
    """The mean over a window around each pixel, in evaluation (TLC, Chu et al., ECCV 2022).

    Only whole windows count; towards the borders the nearest one is repeated. A map that fits the
    window, and any map in training, has one mean.

    Args:
        window: Its height and width.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """Average, (B, C, H, W) -> same shape, or (B, C, 1, 1) for one mean."""
        height, width = x.shape[-2:]
        if self.training or (self.window >= height and self.window >= width):
            return x.mean((2, 3), keepdim=True)
        means = x.double()
        for dim, length in ((2, height), (3, width)):
            size = min(self.window, length)
            # Differences of running sums: their cost does not grow with the window.
            ahead = [0, 0, 1, 0] if dim == 2 else [1, 0, 0, 0]
            sums = F.pad(means.cumsum(dim), ahead)
            count = length - size + 1
            means = (sums.narrow(dim, size, count) - sums.narrow(dim, 0, count)) / size
        rest = (height - means.shape[2], width - means.shape[3])
        top, left = rest[0] // 2, rest[1] // 2
        around = (left, rest[1] - left, top, rest[0] - top)
        return F.pad(means.to(x.dtype), around, mode='replicate')


@BLOCKS.register_module()
class NAFBlock(nn.Module):
    """Products of halves in place of activations and of attention (Chen et al., ECCV 2022).

    ``y = x + beta * conv3(u * conv_s(mean(u)))`` with ``u = half(conv2(conv1(norm1 x)))`` and then
    ``y + gamma * conv5(half(conv4(norm2 y)))``; ``half`` multiplies the two halves of the channels
    (SimpleGate), the product with the mean over the map is the simplified channel attention.
    ``beta`` and ``gamma`` are 0 at the start: the block begins as the identity. 7C^2 + 33C weights
    under the names of the released ones.

    Args:
        stage: Where the block sits; it uses neither heads, prior nor prompt.
        window: In evaluation, take the mean over a window of so many pixels a side around each
            pixel where the map is larger.

    Note:
        The paper's dropout, which its restoration models leave at 0, is left out. Without a window
        the mean is over the whole map: restore large images in tiles of about the size of the
        training crops.
    """

    def __init__(self, stage: Stage, window: int | None = None) -> None:
        super().__init__()
        dim = stage.dim
        self.norm1 = LayerNorm2d(dim, eps=1e-6)
        self.conv1 = PointwiseConv2d(dim, 2 * dim)
        self.conv2 = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim)
        mean = LocalMean(window) if window else nn.AdaptiveAvgPool2d(1)
        self.sca = nn.Sequential(mean, PointwiseConv2d(dim, dim))
        self.conv3 = PointwiseConv2d(dim, dim)
        self.norm2 = LayerNorm2d(dim, eps=1e-6)
        self.conv4 = PointwiseConv2d(dim, 2 * dim)
        self.conv5 = PointwiseConv2d(dim, dim)
        self.beta = nn.Parameter(torch.zeros(1, dim, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        u = _gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.beta * self.conv3(u * self.sca(u))
        answer: Tensor = x + self.gamma * self.conv5(_gate(self.conv4(self.norm2(x))))
        return answer


def _gate(x: Tensor) -> Tensor:
    """SimpleGate, (B, 2C, H, W) -> (B, C, H, W)."""
    first, second = x.chunk(2, dim=1)
    return first * second
