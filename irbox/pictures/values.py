"""From restored values to those of the file: depth, grey, and the pixels that stay as they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from irbox.pictures.picture import Picture

# Of Rec. 601, as Pillow's conversion to grey; in double precision, so that equal colors stay equal.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float64)
_ROWS = 256
_LARGEST = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}


def to_depth(values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Convert values of full range to another depth, rounded to the nearest.

    Args:
        values: uint8, uint16, or float of range 0 to 1.
        dtype: uint8, uint16 or float32. Floats are clipped to 0 to 1 on the way to integers only.

    Returns:
        The values; the same array where nothing is to be done.
    """
    dtype = np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.dtype == np.uint8 and dtype == np.uint16:
        return values.astype(np.uint16) * np.uint16(257)
    if values.dtype == np.uint16 and dtype == np.uint8:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    floats = values.astype(np.float32)
    if values.dtype.kind == 'u':
        floats /= _LARGEST[values.dtype]
    if dtype == np.float32:
        return floats
    scaled = np.clip(floats, 0, 1, out=floats)
    scaled *= _LARGEST[dtype]
    return np.rint(scaled, out=scaled).astype(dtype)


def finish(picture: Picture, restored: np.ndarray, dtype: np.dtype, *, gray: bool) -> np.ndarray:
    """Bring restored values to the depth of a file, some rows at a time.

    Pixels that are fully transparent stay as they were, and of a float picture those that lie
    outside 0 to 1 or are not finite, which no network sees right.

    Args:
        picture: What was restored.
        restored: (H, W, 3), uint8, uint16 or float of range 0 to 1.
        dtype: Of the file.
        gray: Whether the file holds grey only.

    Returns:
        (H, W, 3), or (H, W) for grey.

    Raises:
        ValueError: The shapes differ, or a value is not finite.
    """
    _check(picture, restored)
    shape = restored.shape[:2] if gray else restored.shape
    finished = np.empty(shape, dtype=dtype)
    for start in range(0, shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        part, original = restored[rows], picture.pixels[rows]
        kept = _kept(picture, rows)
        if part.dtype.kind == 'f' and not np.isfinite(part[~kept]).all():
            raise ValueError(
                f'Picture {picture.name}: the restored values are not finite (rows '
                f'{start} to {start + len(part) - 1}). Restore it in float32.'
            )
        if gray:
            part = _to_gray(part)
        block = to_depth(part, dtype)
        if kept.any():
            own = to_depth(original[..., 0] if gray else original, dtype)
            block = np.where(kept if gray else kept[..., None], own, block)
        finished[rows] = block
    return finished


def _kept(picture: Picture, rows: slice) -> np.ndarray:
    original = picture.pixels[rows]
    kept = np.zeros(original.shape[:2], dtype=bool)
    if picture.alpha is not None:
        kept |= picture.alpha[rows] == 0
    if original.dtype == np.float32:
        kept |= ~((original >= 0) & (original <= 1)).all(axis=-1)  # NaN, too
    return kept


def _to_gray(values: np.ndarray) -> np.ndarray:
    gray = values.astype(np.float64) @ _LUMA
    return gray if values.dtype.kind == 'f' else np.rint(gray).astype(values.dtype)


def _check(picture: Picture, restored: np.ndarray) -> None:
    if restored.shape != picture.pixels.shape:
        raise ValueError(
            f'Picture {picture.name} is {picture.pixels.shape}, and the restored values are '
            f'{restored.shape}. Give one value per pixel and color: (H, W, 3).'
        )
    if restored.dtype.kind != 'f' and restored.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'Picture {picture.name}: the restored values are {restored.dtype}. '
            'Give uint8, uint16, or floats of range 0 to 1.'
        )
