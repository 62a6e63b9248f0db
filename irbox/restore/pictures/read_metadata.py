"""Collecting what a picture file says beside its pixels."""

from __future__ import annotations

from PIL import Image

from irbox.restore.pictures import jpeg, png
from irbox.restore.pictures.exif import MARK as EXIF_MARK
from irbox.restore.pictures.exif import ORIENTATION
from irbox.restore.pictures.open_source import Opened
from irbox.restore.pictures.picture import Metadata
from irbox.restore.pictures.tiff_directory import (
    SEPARATE,
    STRUCTURE,
    exif_block,
    fields_of,
)


def read_metadata(opened: Opened, notes: list[str]) -> Metadata:
    """Collect EXIF, profile, XMP, IPTC, resolution and the like.

    Args:
        opened: What ``open_source`` gave.
        notes: Gets a sentence for what cannot be kept.

    Raises:
        ValueError: The file is damaged.
    """
    image, data = opened.image, opened.data
    info = image.info
    metadata = Metadata(icc=info.get('icc_profile') or None, xmp=_bytes(info.get('xmp')))
    exif = info.get('exif')
    if isinstance(image, jpeg.JpegImagePlugin.JpegImageFile):
        jpeg.read_segments(image, metadata, notes)
    elif image.format == 'PNG' and data is not None:
        chunks = png.read_chunks(data)
        metadata.chunks = png.kept_chunks(chunks, notes)
        metadata.xmp = png.find_xmp(chunks)
        exif = png.find_chunk(chunks, b'eXIf') or exif or _raw_profile(image)
    elif image.format == 'TIFF' and data is not None:
        exif = _read_tiff(data, metadata, notes)
    elif image.format == 'GIF':
        metadata.comment = _bytes(info.get('comment'))
    if exif:
        metadata.exif = _plain(exif)
    dpi = info.get('dpi')
    if dpi is not None and image.format != 'TIFF' and all(float(one) > 0 for one in dpi):
        metadata.dpi = float(dpi[0]), float(dpi[1])
    return metadata


def read_orientation(image: Image.Image, metadata: Metadata, notes: list[str]) -> int:
    """Return the orientation, 1 to 8, that EXIF or else XMP gives."""
    exif = Image.Exif()
    try:
        if metadata.exif is not None:
            exif.load(metadata.exif)
        if ORIENTATION not in exif:
            return int(Image.Image.getexif(image).get(ORIENTATION, 1))
        return int(exif[ORIENTATION])
    except Exception:  # Pillow's parser may raise anything on a damaged block.
        metadata.exif = None
        notes.append('EXIF is damaged and was left out.')
        return 1


def _read_tiff(data: bytes, metadata: Metadata, notes: list[str]) -> bytes | None:
    fields = fields_of(data, STRUCTURE - {ORIENTATION})
    for tag, name in ((700, 'xmp'), (33723, 'iptc'), (34377, 'photoshop'), (34675, 'icc')):
        field = fields.get(tag)
        if isinstance(field, tuple):
            setattr(metadata, name, field[1] or None)
    if metadata.icc is not None and len(metadata.icc) < 128:
        metadata.icc = None
    return exif_block({tag: field for tag, field in fields.items() if tag not in SEPARATE})


def _raw_profile(image: Image.Image) -> bytes | None:
    """Return EXIF that ImageMagick wrote as text in hex."""
    text = image.info.get('Raw profile type exif')
    try:
        return bytes.fromhex(''.join(text.split('\n')[3:])) if isinstance(text, str) else None
    except ValueError:
        return None


def _plain(exif: bytes) -> bytes:
    while exif.startswith(EXIF_MARK):
        exif = exif[len(EXIF_MARK) :]
    return exif


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode('utf-8') if isinstance(value, str) else value or None
