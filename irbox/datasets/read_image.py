"""Reading image files: one decoder, one colour order, one message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
"""Files that count as images; of clean images that differ only in type the first counts."""


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file to an array, (H, W, 3) uint8, RGB; see ``open_image``."""
    return np.asarray(open_image(path))


def open_image(path: str | Path) -> Image.Image:
    """Decode an image file.

    Greys are repeated and transparency is dropped (not blended with a background), as the published
    loaders of the all-in-one family do.

    Returns:
        The decoded image, of mode RGB.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, no image, or deeper than 8 bits.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(('I', 'F')):
                raise ValueError(
                    f'Image {path} holds more than 8 bits per value (mode {image.mode}). '
                    'Convert it to 8 bits.'
                )
            image.load()
            # Converting RGB to RGB would copy it.
            return image if image.mode == 'RGB' else image.convert('RGB')
    except FileNotFoundError:
        raise FileNotFoundError(f'Image {path} does not exist.') from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f'Image {path} cannot be read ({error}). Replace the file, or take the pair out.'
        ) from error


def image_size(path: str | Path) -> tuple[int, int]:
    """Read width and height of an image file, of which only the beginning is read.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise FileNotFoundError(f'Image {path} does not exist.') from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f'Image {path} cannot be read ({error}). Replace the file, or take the pair out.'
        ) from error
