"""Turning a picture upright, once."""

from __future__ import annotations

import numpy as np

# EXIF orientation: whether rows and columns are exchanged first, then rows and columns reversed.
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def exchanges_sides(orientation: int) -> bool:
    """Tell whether turning upright exchanges width and height."""
    return _TURNS.get(orientation, _TURNS[1])[0]


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array upright.

    Args:
        values: (H, W) or (H, W, C), as stored in the file.
        orientation: EXIF orientation, 1 to 8; other numbers mean 1, as for viewers.

    Returns:
        The upright array, contiguous; the same one for orientation 1.
    """
    exchange, rows, columns = _TURNS.get(orientation, _TURNS[1])
    if exchange:
        values = values.swapaxes(0, 1)
    if rows:
        values = values[::-1]
    if columns:
        values = values[:, ::-1]
    return np.ascontiguousarray(values)
