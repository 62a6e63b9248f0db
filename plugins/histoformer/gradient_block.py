"""HOGformer's block."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import BLOCKS
from irbox.structures import Stage
from irbox.utils.bounded import PositiveFloat

from .attention import SortedAttention, unsort
from .feed_forward import Refinement
from .histogram_block import HistogramBlock

BINS = 9
"""Of orientations."""
CELL = 8
"""Height and width of the patches whose histograms are taken."""


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give magnitude and orientation (-pi to pi) of each channel's Sobel gradients.

    Args:
        x: (B, C, H, W), padded by zeros.
    """
    across = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([across, across.T])[:, None]
    found = F.conv2d(x.flatten(0, 1)[:, None], kernels, padding=1)
    gx, gy = (one.reshape(x.shape) for one in found.unbind(1))
    return (gx.square() + gy.square() + 1e-6).sqrt(), torch.atan2(gy, gx)


def to_cells(x: Tensor) -> Tensor:
    """Cut a map into patches, padded by zeros, (B, C, H, W) -> (B, C, rows, columns, 64)."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % CELL, 0, -height % CELL))
    rows, columns = x.shape[2] // CELL, x.shape[3] // CELL
    cells = x.reshape(*x.shape[:2], rows, CELL, columns, CELL)
    return cells.transpose(3, 4).flatten(4)


def from_cells(x: Tensor, height: int, width: int) -> Tensor:
    """Undo ``to_cells``, padding included."""
    x = x.reshape(*x.shape[:4], CELL, CELL).transpose(3, 4)
    return x.flatten(4, 5).flatten(2, 3)[..., :height, :width]


class GradientAttention(SortedAttention):
    """Sorts by gradients: half of the channels in each patch, then all pixels.

    Where a side is no multiple of 8, the zeros of the padding sort first and push pixels into what
    is cut off, as in the public code.

    Args:
        dim: Number of channels.
        heads: Number of heads, and of bins.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.bin_proj = PointwiseConv2d(BINS, dim // 2, bias=False)

    def rearrange(self, half: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Sort each patch by gradients and add its histogram, (B, C/2, H, W)."""
        height, width = half.shape[-2:]
        magnitude, orientation = gradients(half)
        bins = (BINS * (orientation + math.pi) / (2 * math.pi)).long() % BINS
        cells, magnitude, bins = (to_cells(x) for x in (half, magnitude, bins))
        histogram = torch.stack(
            [(magnitude * (bins == i)).mean((1, 4)) for i in range(BINS)], dim=1
        )
        histogram = histogram / (histogram.sum(1, keepdim=True) + 1e-8)
        # One order for all channels of a patch.
        order = (magnitude * (bins + 1)).sum(1, keepdim=True).argsort(-1).expand_as(cells)
        moved = from_cells(cells.gather(-1, order), height, width)
        shown = F.interpolate(
            self.bin_proj(histogram), (height, width), mode='bilinear', align_corners=False
        )
        return moved + shown, (order,)

    def restore(self, half: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        """Undo the sorting of ``rearrange``."""
        (order,) = kept
        return from_cells(unsort(to_cells(half), order, -1), *half.shape[-2:])

    def order(self, value: Tensor) -> Tensor:
        """Give one order for all channels, (B, C, H, W) -> (B, 1, H * W)."""
        magnitude, orientation = gradients(value)
        score = (magnitude * (orientation + math.pi) / (2 * math.pi)).sum(1, keepdim=True)
        return score.flatten(2).argsort(dim=-1)


@BLOCKS.register_module()
class GradientBlock(HistogramBlock):
    """Attention between bins of pixels sorted by gradients (HOGformer, AAAI 2026).

    ``HistogramBlock`` with orders that come from histograms of oriented gradients, and a refinement
    in its feed-forward layer.

    Args:
        stage: Where the block sits; its width is a multiple of 12 and of twice the heads.
        ratio: Expansion of the feed-forward layer.
    """

    attention = GradientAttention

    def __init__(self, stage: Stage, ratio: PositiveFloat = 2.667) -> None:
        super().__init__(stage, ratio)
        self.ffn.refine = Refinement(self.ffn.near.in_channels)
