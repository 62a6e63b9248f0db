"""Masks that say where, with soft edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from irbox.datasets.read_image import BadImageError, opened
from irbox.pictures.formats import FORMATS

FEATHER = 8
"""Pixels over which a mask of two values fades out, inside its edge."""


def read_mask(mask: Any, size: tuple[int, int], name: str = 'mask') -> np.ndarray:
    """Read a mask and soften its edge.

    Args:
        mask: A path, a PIL image, an array or tensor (H, W), (H, W, 1) or (1, H, W): booleans,
            uint8 in 0 to 255 or floats in 0 to 1; white is inside.
        size: Height and width of the image.
        name: Of the argument, for messages.

    Returns:
        (H, W) uint8, 255 inside. What has only two values fades out over ``FEATHER`` pixels inside
        its edge, so that nothing outside is touched; a mask with greys is taken as it is.

    Raises:
        ValueError: It is no mask, or of another size, or counts to 1 where white is 255.
    """
    if isinstance(mask, (str, Path)):
        try:
            with opened(mask, FORMATS) as (image, _):
                mask = image.convert('L')
        except BadImageError as error:
            raise ValueError(
                f'{name}={str(mask)!r} cannot be read: {error.__cause__ or error}.'
            ) from error
    if isinstance(mask, Image.Image):
        mask = mask.convert('L')
    if hasattr(mask, 'detach'):
        mask = mask.detach().cpu().numpy()
    values = np.asarray(mask)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.shape != tuple(size):
        raise ValueError(
            f'{name} is of {"x".join(map(str, values.shape))}, the image of {size[0]}x{size[1]} '
            '(height x width). Give a mask of the size of the image.'
        )
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    elif np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError(f'{name}: floats must lie in 0 to 1.')
        values = np.rint(values * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise ValueError(f'{name}: {values.dtype} is no type of a mask. Give bool, uint8 or float.')
    if values.max() == 1:
        raise ValueError(
            f'{name}: uint8 of 0 and 1 is all but black, since white is 255. Give bool, or 0 and '
            '255.'
        )
    hard = np.isin(values, (0, values.max())).all()
    return _soften(values) if hard and values.any() and not values.all() else values


def _soften(values: np.ndarray) -> np.ndarray:
    """Fade out inside the edge: half of a blurred step, stretched to run from 0 to 1."""
    blurred = Image.fromarray(values).filter(ImageFilter.BoxBlur(FEATHER))
    inside: np.ndarray = np.asarray(blurred).astype(np.float32) * (2 / values.max()) - 1
    feathered: np.ndarray = np.rint(inside.clip(0, 1) * values).astype(np.uint8)
    return feathered
