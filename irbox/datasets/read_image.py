"""Reading image files: one decoder, one colour order, one message."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from irbox.datasets.image_store import open_file
from irbox.pictures.formats import DATA_FORMATS
from irbox.pictures.open_image import bits_of, has_several
from irbox.pictures.open_image import open_image as open_header
from irbox.pictures.open_source import MAX_PIXELS
from irbox.utils.shown import shown

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
"""Files that count as images; of clean images that differ only in type the first counts."""


# The start of a lossless JPEG frame, of which there is no brightness alone: in every such file, and
# in few others, by chance.
_LOSSLESS = re.compile(rb'\xff[\xc3\xc7\xcb\xcf]')


class BadImageError(ValueError):
    """An image file cannot be used: it is damaged, or of a kind that data sets do not hold."""


class MissingImageError(BadImageError, FileNotFoundError):
    """An image file is not there, or not any more."""


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file to an array, (H, W, 3) uint8, RGB; see ``open_image``."""
    return np.asarray(open_image(path))


def open_image(path: str | Path) -> Image.Image:
    """Decode an image file.

    Greys are repeated, transparency is dropped (not blended with a background), CMYK is converted
    without its profile and the orientation that EXIF asks for is left alone, as the published
    loaders of the all-in-one family do.

    Returns:
        The decoded image, of mode RGB.

    Raises:
        MissingImageError: There is no such file.
        BadImageError: The file is damaged, no regular file, no image of ``DATA_FORMATS``, deeper
            than 8 bits, of several frames or of more than 2**28 pixels.
    """
    with opened(path) as (image, _):
        image.load()
        # Converting RGB to RGB would copy it.
        return image if image.mode == 'RGB' else image.convert('RGB')


def open_brightness(path: str | Path) -> Image.Image:
    """Decode the brightness of an image file; the colors of a JPEG file are left out.

    All of its data are gone through: what is damaged is found as by ``open_image``.

    Returns:
        The decoded image, of mode L.

    Raises:
        MissingImageError, BadImageError: See ``open_image``.
    """
    with opened(path, at_once=True) as (image, file):
        if isinstance(file, BytesIO) and not _LOSSLESS.search(file.getvalue()):
            # At its own size: a smaller one is not that of the same pixels in another kind of file.
            image.draft('L', None)
        image.load()
        if image.mode not in ('L', 'RGB'):
            image = image.convert('RGB')
        return image if image.mode == 'L' else image.convert('L')


def image_size(path: str | Path) -> tuple[int, int]:
    """Read width and height of an image file, of which only the beginning is read.

    Raises:
        MissingImageError, BadImageError: See ``open_image``; damage behind the header is not seen.
    """
    with opened(path) as (image, _):
        return image.size


@contextmanager
def opened(
    path: str | Path,
    formats: Collection[str] = DATA_FORMATS,
    deep: bool = False,
    at_once: bool = False,
) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """Open an image file while the block runs; what is wrong there is put into one message, too.

    Args:
        path: Of the file.
        formats: Pillow's names of those that it may have.
        deep: Whether it may have more than 8 bits.
        at_once: See ``open_file``.

    Yields:
        The image, of which the header was read, and the file.

    Raises:
        MissingImageError, BadImageError: See ``open_image``.
    """
    try:
        with open_file(path, at_once) as file:
            head = file.read(64)
            if not head:
                raise ValueError('it is empty, 0 bytes')
            image = open_header(file, formats)
            _check_kind(image, head, deep)
            yield image, file
    except FileNotFoundError:
        raise MissingImageError(f'Image {shown(path)} does not exist.') from None
    except MemoryError:  # Of the machine, not of the file: nothing to skip.
        raise
    except Exception as error:  # A decoder may raise anything on a damaged file.
        reason = shown(error).rstrip('.') or type(error).__name__
        raise BadImageError(
            f'Image {shown(path)} cannot be read ({reason}). Replace the file, or take the pair '
            'out.'
        ) from error


def _check_kind(image: Image.Image, head: bytes, deep: bool) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(
            f'it says that it has {width}x{height} pixels; {MAX_PIXELS / 1e6:.0f} million are '
            'allowed'
        )
    bits = bits_of(image, head)
    if bits > 8 and not deep:
        raise ValueError(
            f'it holds more than 8 bits per value ({bits}), of which data sets would keep 8 '
            'only: convert it to 8 bits'
        )
    if has_several(image):
        raise ValueError('it holds several frames or pages: save the one that belongs to the pair')
