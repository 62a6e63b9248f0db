"""Opening a picture: a path, bytes, a file object or a PIL image become bytes and a PIL image."""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from irbox.pictures.formats import FORMATS, allowed_formats
from irbox.pictures.open_image import check_regular, open_image

MAX_PIXELS = 2**28
"""Pixels that a picture may have where the caller sets no other limit: 268 megapixels."""

Source = Path | str | bytes | BinaryIO | Image.Image
# Pillow's own limit is one global number; it is lifted only while a header is read.
_LIMIT = threading.Lock()


class Opened(NamedTuple):
    """Hold an opened, undecoded picture and its bytes, which a PIL image has not."""

    name: str
    data: bytes | None
    image: Image.Image
    digest: str


def open_source(source: Source, max_pixels: int | None = None) -> Opened:
    """Open a picture; only its header is read.

    Args:
        source: Path, file content, binary file object, or PIL image.
        max_pixels: Pixels that it may have; None takes ``MAX_PIXELS``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no picture of a known format, no regular file, empty, damaged or
            too large, or cannot be read.
    """
    if isinstance(source, Image.Image):
        name = str(getattr(source, 'filename', '') or 'given as a PIL image')
        check_size(name, source.size, max_pixels)
        content = f'{source.mode} {source.size} '.encode() + source.tobytes()
        return Opened(name, None, source, hashlib.sha256(content).hexdigest())
    name, data = _read(source)
    if not data:
        raise ValueError(f'Picture {name} is empty (0 bytes). Copy it again from where it came.')
    formats = allowed_formats(name, data[:64])
    image: Image.Image
    try:
        image = _open(data, formats)
    except Exception as error:  # A decoder may raise anything on a damaged file.
        float_tiff = _float_tiff(data)
        if float_tiff is None:
            raise ValueError(_no_picture(name, data, formats, error)) from error
        image = float_tiff
    check_size(name, image.size, max_pixels)
    return Opened(name, data, image, hashlib.sha256(data).hexdigest())


def picture_size(source: Source) -> tuple[int, int]:
    """Read width and height from a header; what EXIF says of turning is not looked at.

    Raises:
        FileNotFoundError, ValueError: See ``open_source``.
    """
    if isinstance(source, Path | str):
        # Of most files only the beginning; the rest are read whole, and faults said, below.
        with suppress(Exception):
            check_regular(source)
            with open(source, 'rb') as file:
                size = open_image(file, FORMATS).size
                check_size(str(source), size, None)
                return size
    width, height = open_source(source).image.size
    return width, height


def check_size(name: str, size: tuple[int, int], max_pixels: int | None) -> None:
    """Refuse a picture of more pixels than allowed, before it takes memory.

    Raises:
        ValueError: It has more pixels, or none.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f'Picture {name} has no pixels ({width}x{height}). Replace the file.')
    if width * height > limit:
        raise ValueError(
            f'Picture {name} has {width}x{height} = {width * height / 1e6:.1f} megapixels; at most '
            f'{limit / 1e6:.1f} are allowed. Raise max_pixels if the file is trusted.'
        )


def _open(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    if formats == FORMATS:
        return open_image(io.BytesIO(data), FORMATS)
    # Of the extra, whose decoder was put into Pillow's registry just now.
    with _LIMIT, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _read(source: Path | str | bytes | BinaryIO) -> tuple[str, bytes]:
    if isinstance(source, bytes | bytearray | memoryview):
        return 'given as bytes', bytes(source)
    if not isinstance(source, Path | str):
        name = getattr(source, 'name', None)
        return name if isinstance(name, str) else 'given as a file', source.read()
    path = Path(source)
    try:
        try:
            check_regular(path)
        except ValueError as error:
            what = str(error).removeprefix('it ')
            raise ValueError(f'Picture {path} {what}. Name a picture file.') from error
        return str(path), path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f'Picture {path} does not exist.') from None
    except OSError as error:
        raise ValueError(
            f'Picture {path} cannot be read ({error.strerror or error}). Check its permissions.'
        ) from error


def _no_picture(name: str, data: bytes, formats: tuple[str, ...], error: Exception) -> str:
    known = ', '.join(FORMATS)
    if isinstance(error, UnidentifiedImageError):
        if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
            return (
                f'Picture {name} is a damaged TIFF file, or one of a kind that irbox does not '
                'read. Save it again with 8 or 16 bits per value, RGB or grey.'
            )
        return (
            f'Picture {name} is damaged or no picture of a known format ({known}; HEIC and JXL '
            "with pip install 'irbox[formats]'). Replace it or convert it to PNG."
        )
    return f'Picture {name} cannot be read as {"/".join(formats)} ({error}). Replace the file.'


def _float_tiff(data: bytes) -> Image.Image | None:
    """Give an empty image of the size of a TIFF file that Pillow cannot open, and tifffile can."""
    if data[:4] not in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        return None
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            size = (page.imagewidth, page.imagelength)
            packet = page.tags.valueof(700)
            profile = page.tags.valueof(34675)
            count = len(file.pages)
    except Exception:  # As above.
        return None
    if not all(isinstance(one, int) for one in size):
        return None  # tifffile takes over whatever stands there, such as a list.
    image = _Header(size, count)
    if isinstance(packet, bytes):
        image.info['xmp'] = packet
    if isinstance(profile, bytes):
        image.info['icc_profile'] = profile
    return image


class _Header(Image.Image):
    """A TIFF file's header: its pixels are read by another library."""

    format = 'TIFF'

    def __init__(self, size: tuple[int, int], count: int) -> None:
        super().__init__()
        self._size = size
        self._mode = 'RGB'
        self.n_frames = count
