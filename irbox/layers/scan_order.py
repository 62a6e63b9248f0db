"""The order in which a scan visits the pixels of a map."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ScanOrder = Literal['raster', 'morton']


def scan_order(
    order: ScanOrder,
    height: int,
    width: int,
    transposed: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """Give the pixels of a map in the order of a scan.

    Args:
        order: ``'raster'``: row after row. ``'morton'``: along the Z-curve (Morton, 1966), whose
            code has the bits of the column at its even places and those of the row at its odd
            ones. Of a map whose sides are no powers of two the curve skips what is not there.
        height: Of the map.
        width: Of the map.
        transposed: Exchange rows and columns.
        device: Of the answer.

    Returns:
        (height * width,), at each step the number of the pixel, counted row by row.

    Examples:
        >>> scan_order('morton', 2, 4)
        tensor([0, 1, 4, 5, 2, 3, 6, 7])
        >>> scan_order('raster', 2, 3, transposed=True)
        tensor([0, 3, 1, 4, 2, 5])
    """
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)[None]
    slow, fast = (columns, rows) if transposed else (rows, columns)
    if order == 'raster':
        codes = slow * max(height, width) + fast
    else:
        codes = torch.zeros(height, width, dtype=torch.int64, device=device)
        for bit in range((max(height, width) - 1).bit_length()):
            codes = (
                codes | (((fast >> bit) & 1) << (2 * bit)) | (((slow >> bit) & 1) << (2 * bit + 1))
            )
    return codes.flatten().argsort()
