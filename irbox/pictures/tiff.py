"""TIFF: depth, compression and every tag stay."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from irbox.pictures.open_source import Opened, open_source
from irbox.pictures.picture import Metadata
from irbox.pictures.tiff_directory import Fields, add_fields, fields_of

# TIFF's number of a compression: Pillow's name, and tifffile's where it needs no further package.
_NAMES: dict[int, tuple[str, str | None]] = {
    1: ('raw', 'none'),
    5: ('tiff_lzw', None),
    7: ('jpeg', None),
    8: ('tiff_adobe_deflate', 'adobe_deflate'),
    32773: ('packbits', None),
    32946: ('tiff_adobe_deflate', 'adobe_deflate'),
    34925: ('lzma', 'lzma'),
    50000: ('zstd', None),
    50001: ('webp', None),
}
_CODECS = {5: 'lzw', 32773: 'packbits', 50000: 'zstd'}
_LARGEST = 4 * 10**9


def read_encoding(opened: Opened) -> dict[str, Any]:
    """Return the compression of a TIFF file, by its number; nothing for other files."""
    if opened.image.format != 'TIFF' or opened.data is None:
        return {}
    field = fields_of(opened.data, drop=()).get(259)
    value = field[1] if isinstance(field, tuple) else b'\1\0'
    return {'compression': struct.unpack_from('<H', value)[0]}


def as_stored(stored: Opened) -> Opened:
    """Return a TIFF file with orientation 1: Pillow and OpenCV would turn it by the tag."""
    import tifffile

    file = io.BytesIO(stored.data or b'')
    with tifffile.TiffFile(file, mode='r+') as opened:
        tag = opened.pages.first.tags.get(274)
        if tag is not None:
            tag.overwrite(1)
        data = file.getvalue()
    return stored._replace(
        data=data, image=open_source(data, stored.image.size[0] * stored.image.size[1]).image
    )


def write_tiff(
    file: BinaryIO,
    values: np.ndarray,
    alpha: np.ndarray | None,
    encoding: dict[str, Any],
    metadata: Metadata,
    notes: list[str],
) -> None:
    """Write a TIFF file.

    Args:
        file: Where to.
        values: (H, W) grey or (H, W, 3) RGB; uint8, uint16 or float32.
        alpha: (H, W) of the same dtype, or None.
        encoding: What ``read_encoding`` gave, or nothing: then deflate.
        metadata: What to write beside the pixels.
        notes: Gets a sentence for what cannot be kept.
    """
    number = encoding.get('compression', 8)
    if values.dtype == np.uint8 or (values.ndim == 2 and alpha is None):
        written = _with_pillow(values, alpha, number, notes)
    else:
        written = _with_tifffile(values, alpha, number, notes)
    add_fields(written, _fields(metadata))
    file.write(written)


def _with_pillow(
    values: np.ndarray, alpha: np.ndarray | None, number: int, notes: list[str]
) -> bytearray:
    image = Image.fromarray(values if alpha is None else np.dstack([values, alpha]))
    buffer = io.BytesIO()
    name = _NAMES.get(number, (None, None))[0]
    lossy = name in ('jpeg', 'webp')
    if name is None or (lossy and (alpha is not None or values.dtype != np.uint8)):
        notes.append(f'TIFF compression {number} was replaced by deflate.')
        name, lossy = 'tiff_adobe_deflate', False
    image.save(buffer, 'TIFF', compression=name, **({'quality': 95} if name == 'jpeg' else {}))
    return bytearray(buffer.getbuffer())


def _with_tifffile(
    values: np.ndarray, alpha: np.ndarray | None, number: int, notes: list[str]
) -> bytearray:
    import tifffile

    options: dict[str, Any] = {
        'photometric': 'rgb' if values.ndim == 3 else 'minisblack',
        'metadata': None,
        'software': False,
        'byteorder': '<',
    }
    if alpha is not None:
        values = np.dstack([values, alpha])
        options['extrasamples'] = ['unassalpha']
    name = _NAMES.get(number, (None, None))[1] or _CODECS.get(number)
    # tifffile takes None for no compression at all.
    for compression in filter(None, (name, 'adobe_deflate')):
        buffer = io.BytesIO()
        try:
            tifffile.imwrite(buffer, values, compression=compression, **options)
        except (KeyError, ValueError, ImportError):
            continue
        if compression != name:
            notes.append(
                f'TIFF compression {number} was replaced by deflate: for 16-bit color it needs '
                "imagecodecs (pip install 'irbox[formats]')."
            )
        return bytearray(buffer.getbuffer())
    raise AssertionError('tifffile always writes deflate')


def _fields(metadata: Metadata) -> Fields:
    fields: Fields = {} if metadata.exif is None else fields_of(metadata.exif)
    fields.pop(274, None)
    if metadata.dpi is not None and 282 not in fields:
        for tag, value in zip((282, 283), metadata.dpi, strict=True):
            fields[tag] = (5, struct.pack('<II', round(value * 1000), 1000))
        fields[296] = (3, struct.pack('<H', 2))
    for tag, kind, content in (
        (700, 1, metadata.xmp),
        (33723, 7, metadata.iptc),
        (34377, 1, metadata.photoshop),
        (34675, 7, metadata.icc),
    ):
        if content is not None:
            fields[tag] = (kind, content)
    return fields
