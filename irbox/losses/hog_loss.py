"""Histograms of oriented gradients as the loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat
from irbox.utils.on_device import constants
from irbox.utils.precision import full_precision

BINS, CELL, BLOCK = 9, 8, 2
"""Orientations; pixels a side of a cell; cells a side of a block."""
LUMA = (0.299, 0.587, 0.114)


@LOSSES.register_module()
class HOGLoss(nn.Module):
    """Mean absolute error of histograms of oriented gradients (HOGformer, AAAI 2026).

    Of the brightness, Sobel gradients; each pixel's magnitude is shared between the two nearest of
    9 orientations. Those are absolute values of angles: two that mirror each other at the
    horizontal count as one, and 0 and 180 degrees are neighbors. The means over cells of 8x8 pixels
    are divided by the norm of each block of 2x2 cells. Pixels of cells that are not whole are left
    out.
    An image of fewer than 16 pixels a side has blocks of a single cell that way, which is ours.

    Args:
        weight: Factor.
    """

    def __init__(self, weight: NonNegativeFloat = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape.

        Raises:
            ValueError: An image has no whole cell.
        """
        if min(restored.shape[-2:]) < CELL:
            height, width = restored.shape[-2:]
            raise ValueError(
                f'HOGLoss needs images of at least {CELL}x{CELL} pixels, a cell of its histograms; '
                f'these have {height}x{width}. Raise patch_size.'
            )
        with full_precision(restored):
            return self.weight * F.l1_loss(_histograms(restored), _histograms(target))


def _histograms(image: Tensor) -> Tensor:
    """Give the blocks' histograms, (B, 3, H, W) -> (B, bins and cells of a block, blocks)."""
    image = image.to(torch.promote_types(image.dtype, torch.float32))
    brightness = (image * constants(LUMA, image)[:, None, None]).sum(1, keepdim=True)
    across = constants([1, 2, 1], image)[:, None] * constants([-1, 0, 1], image)
    kernels = torch.stack([across, across.T])[:, None]
    dx, dy = F.conv2d(brightness, kernels, padding=1).chunk(2, dim=1)
    magnitude = (dx.square() + dy.square() + 1e-8).sqrt()
    orientation = torch.atan2(dy, dx + 1e-8).abs()
    width = math.pi / BINS
    centers = torch.arange(BINS, device=image.device, dtype=image.dtype)[:, None, None] * width
    apart = (orientation - centers).abs()
    shares = (1 - torch.minimum(apart, math.pi - apart) / width).relu()
    cells = F.avg_pool2d(shares * magnitude, CELL)
    rows, columns = cells.shape[-2:]
    blocks = F.unfold(cells, (min(BLOCK, rows), min(BLOCK, columns)))
    answer: Tensor = blocks / (torch.linalg.vector_norm(blocks, dim=1, keepdim=True) + 1e-8)
    return answer
