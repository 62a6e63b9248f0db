"""Pictures to judge by: degraded, restored and clean side by side, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from irbox.utils.contact_sheet import contact_sheet

LONGEST = 1280
"""Longer side of each picture on a sheet; larger ones are shrunk, and the sheet says so."""
GAIN = 4
"""Differences are shown so many times as large."""


def comparison(
    degraded: np.ndarray,
    restored: np.ndarray,
    clean: np.ndarray | None = None,
    protocol: str = 'aio',
) -> Image.Image:
    """Draw degraded | restored (| clean) and the difference that restoring made.

    Args:
        degraded: (H, W, 3), uint8, uint16, or floats in 0 to 1.
        restored: Likewise, of the same size.
        clean: Likewise; with it, PSNR and SSIM of both stand under them.
        protocol: Of the scores.

    Raises:
        ValueError: The sizes differ.
    """
    images = {'degraded': degraded, 'restored': restored}
    if clean is not None:
        images['clean'] = clean
    sizes = {name: image.shape[:2] for name, image in images.items()}
    if len(set(sizes.values())) > 1:
        listed = ', '.join(f'{name} {w}x{h}' for name, (h, w) in sizes.items())
        raise ValueError(f'What is compared must be of one size, got {listed}.')
    units = {name: _unit(image) for name, image in images.items()}
    captions = {name: '' for name in images}
    if clean is not None:
        for name in ('degraded', 'restored'):
            captions[name] = _scores(units[name], units['clean'], protocol)
    units['difference'] = np.repeat(difference(units['degraded'], units['restored']), 3, 2)
    captions['difference'] = f'|restored - degraded|, mean of the colours, {GAIN} times as large'
    return _sheet([(units, captions)])


def difference(degraded: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Draw where two pictures differ: the mean over the colors, ``GAIN`` times as large.

    Args:
        degraded: (H, W, 3), uint8, uint16, or floats in 0 to 1.
        restored: Likewise, of the same size.

    Returns:
        (H, W, 1) in 0 to 1.
    """
    changed = np.abs(_unit(restored) - _unit(degraded)).mean(2, keepdims=True)
    drawn: np.ndarray = (changed * GAIN).clip(0, 1)
    return drawn


def model_sheet(degraded: np.ndarray, answers: Mapping[str, np.ndarray]) -> Image.Image:
    """Draw the answers of several models beside the picture, each under its name.

    Args:
        degraded: (H, W, 3), uint8, uint16, or floats in 0 to 1.
        answers: Name of the model -> its answer, likewise.
    """
    units = {name: _unit(image) for name, image in {'degraded': degraded, **answers}.items()}
    return _sheet([(units, {name: '' for name in units})])


def _sheet(rows: Sequence[tuple[Mapping[str, np.ndarray], Mapping[str, str]]]) -> Image.Image:
    headers = list(rows[0][0])
    shrunk = [[_shrink(image) for image in images.values()] for images, _ in rows]
    captions = [list(texts.values()) for _, texts in rows]
    first = next(iter(rows[0][0].values()))
    if shrunk[0][0].shape != first.shape:
        height, width = first.shape[:2]
        captions[0][0] = f'{captions[0][0]} (shrunk from {width}x{height})'.strip()
    return contact_sheet(shrunk, captions, headers)


def _unit(image: np.ndarray) -> np.ndarray:
    """As float32 in 0 to 1."""
    if np.issubdtype(image.dtype, np.integer):
        return image.astype(np.float32) / np.iinfo(image.dtype).max
    return image.astype(np.float32).clip(0, 1)


def _shrink(image: np.ndarray) -> np.ndarray:
    longest = max(image.shape[:2])
    if longest <= LONGEST:
        return image
    height, width = (max(1, round(side * LONGEST / longest)) for side in image.shape[:2])
    pixels = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    return np.asarray(pixels.resize((width, height), Image.Resampling.LANCZOS)) / 255


def _scores(image: np.ndarray, clean: np.ndarray, protocol: str) -> str:
    from irbox.evaluation import score

    first, second = (
        torch.from_numpy(one.transpose(2, 0, 1).copy())[None] for one in (image, clean)
    )
    found = score(first, second, protocol)
    psnr, ssim = found['psnr'].item(), found['ssim'].item()
    return f'{psnr:.2f} dB, SSIM {ssim:.4f} ({protocol})'
