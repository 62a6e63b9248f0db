"""Reading a picture so that nothing of it is lost."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from irbox.pictures import jpeg, modern, png, tiff, webp
from irbox.pictures.decode import decode
from irbox.pictures.open_source import Opened, Source, open_source
from irbox.pictures.orientation import exchanges_sides, upright
from irbox.pictures.picture import Picture
from irbox.pictures.read_metadata import read_metadata, read_orientation

MOST_PAGES = 1000
"""Pages of a TIFF file that are counted: going to each reads its header."""


def read_picture(source: Source, max_pixels: int | None = None) -> Picture:
    """Read a picture with all that belongs to it.

    Args:
        source: Path, file content, binary file object, or PIL image.
        max_pixels: Pixels that it may have; None takes 2**28. The header tells, before any memory
            is taken.

    Returns:
        The picture, upright: see ``Picture``. What was converted stands in its ``notes``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no picture of a known format, no regular file, empty, damaged, too
            large, or a camera's raw file. The message names the file, the rule and the remedy.

    Example:
        >>> from PIL import Image
        >>> picture = read_picture(Image.new('L', (6, 4)))
        >>> picture.pixels.shape, picture.gray
        ((4, 6, 3), True)
    """
    opened = open_source(source, max_pixels)
    try:
        return _read(opened)
    except Exception as error:  # A decoder may raise anything on a damaged file.
        reason = str(error) or type(error).__name__
        raise ValueError(
            f'Picture {opened.name} cannot be read: {reason.rstrip(".")}. Replace the file, or '
            'save it again as PNG.'
        ) from error


def _read(opened: Opened) -> Picture:
    image, notes = opened.image, _frames(opened)
    metadata = read_metadata(opened, notes)
    orientation = read_orientation(metadata, notes)
    turned = exchanges_sides(orientation)
    encoding = (
        jpeg.read_encoding(image, turned=turned)
        or tiff.read_encoding(opened)
        or webp.read_encoding(opened)
        or modern.read_encoding(opened)
    )
    if opened.data is not None and image.format == 'TIFF' and orientation != 1:
        opened = tiff.as_stored(opened)
    decoded = decode(opened, notes)
    if turned:
        metadata.chunks = png.swap_resolution(metadata.chunks)
        metadata.dpi = metadata.dpi and (metadata.dpi[1], metadata.dpi[0])
    if not decoded.keeps_profile:
        metadata.icc = None
        metadata.chunks = [one for one in metadata.chunks if one[0] not in png.COLOR]
    values, alpha = decoded.values, decoded.alpha
    gray = values.ndim == 2
    if gray:
        values = np.repeat(values[..., None], 3, axis=2)
    return Picture(
        pixels=upright(values, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        notes=notes,
        name=opened.name,
        digest=opened.digest,
        # A JPEG file with further pictures behind it; a PIL image that was no file.
        format={'MPO': 'JPEG', None: 'PNG'}.get(image.format, image.format or 'PNG'),
        gray=gray,
        turned=turned,
        encoding=encoding,
        metadata=metadata,
    )


def _frames(opened: Opened) -> list[str]:
    """Say what of a file of several pictures is read, and what of a motion photo is left out."""
    image, data = opened.image, opened.data
    kind, notes = image.format, []
    if isinstance(image, TiffImageFile):
        count = _count_pages(image)
    else:
        count = getattr(image, 'n_frames', 1)
    if count > 1:
        what = {'TIFF': 'page', 'MPO': 'picture'}.get(kind or '', 'frame of an animation')
        of = f'more than {MOST_PAGES}' if kind == 'TIFF' and count > MOST_PAGES else count
        notes.append(f'Only the first {what} of {of} was kept.')
    elif kind == 'JPEG' and data is not None and b'\xff\xd9' not in data.rstrip(b'\0')[-2:]:
        after = len(data) - data.rfind(b'\xff\xd9') - 2
        if 64 < after < len(data):
            notes.append(
                'Data after the picture (such as the film of a motion photo) were left out.'
            )
    return notes


def _count_pages(image: TiffImageFile) -> int:
    """Count the pages of a TIFF file, but not beyond one more than ``MOST_PAGES``."""
    count = 1
    with suppress(EOFError):
        while count <= MOST_PAGES:
            image.seek(count)
            count += 1
    image.seek(0)
    return count
