"""The door through which image files come in: a fixed list of decoders, told by the first bytes."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from irbox.pictures.formats import format_of

# Pillow's own decoders by name, not those in its registry, where another package may have put its.
_DECODERS: dict[str, Callable[[BinaryIO, str], ImageFile.ImageFile]] = {
    'JPEG': JpegImagePlugin.jpeg_factory,
    'PNG': PngImagePlugin.PngImageFile,
    'WEBP': WebPImagePlugin.WebPImageFile,
    'TIFF': TiffImagePlugin.TiffImageFile,
    'BMP': BmpImagePlugin.BmpImageFile,
    'GIF': GifImagePlugin.GifImageFile,
    'PPM': PpmImagePlugin.PpmImageFile,
    'AVIF': AvifImagePlugin.AvifImageFile,
}


def open_image(file: BinaryIO, formats: Collection[str]) -> ImageFile.ImageFile:
    """Open an image, of which only the header is read.

    The decoder is chosen by the first bytes, whatever the file is called, and never one that starts
    a program (as Pillow's for PostScript does) or that another package registered in Pillow.

    Args:
        file: Open for reading; it must stay open until the pixels are loaded.
        formats: Pillow's names of those that may be read.

    Raises:
        UnidentifiedImageError: It is of none of them, or its header is damaged.
        Exception: Of nearly any other kind, where it is damaged.
    """
    file.seek(0)
    kind = format_of(file.read(64))
    if kind not in formats or kind not in _DECODERS:
        raise UnidentifiedImageError(f'it is no image of a known type: {", ".join(formats)}')
    file.seek(0)
    # A name would let Pillow map the file, and a file cut while it is mapped kills the process.
    try:
        return _DECODERS[kind](file, '')
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        # What Pillow's decoders raise for a header that is not theirs.
        raise UnidentifiedImageError(f'its {kind} header is damaged: {error}') from error


def check_regular(path: Path | str) -> None:
    """Refuse what is no regular file before it is opened: a pipe would wait for a writer for ever.

    Raises:
        ValueError: It is a folder, a pipe, a socket or a device.
        OSError: It cannot be looked at.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = 'a folder' if stat.S_ISDIR(mode) else 'no regular file (a pipe, socket or device)'
        raise ValueError(f'it is {kind}')


def bits_of(image: Image.Image, head: bytes) -> int:
    """Count the bits of a value as the file has them; Pillow gives 8 of 16-bit colors in silence.

    Args:
        image: As opened.
        head: The first bytes of the file, 25 at least.
    """
    if image.mode.startswith(('I', 'F')):
        return 16 if image.mode.startswith('I;16') else 32
    if image.format == 'PNG':
        return head[24]
    if image.format == 'PPM':
        return largest_of_ppm(image).bit_length()
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
    return 8


def largest_of_ppm(image: Image.Image) -> int:
    """Give the largest value of an opened PPM file, as its header says; 255 where it says none."""
    args = image.tile[0].args if isinstance(image, PpmImagePlugin.PpmImageFile) else None
    if args == 'I;16B':
        return 65535
    return args[1] if isinstance(args, tuple) and isinstance(args[1], int) else 255


def has_several(image: Image.Image) -> bool:
    """Tell whether a file holds several frames or pages, without counting them.

    A photograph behind which a camera put previews (MPO) is one.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return bool(image.tag_v2.next)
    return image.format != 'MPO' and bool(getattr(image, 'is_animated', False))
