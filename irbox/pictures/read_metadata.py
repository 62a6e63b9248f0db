"""Collecting what a picture file says beside its pixels."""

from __future__ import annotations

import struct

from PIL import Image, JpegImagePlugin

from irbox.pictures import jpeg, png, xmp
from irbox.pictures.exif import MARK as EXIF_MARK
from irbox.pictures.exif import ORIENTATION, ExifBlock
from irbox.pictures.open_source import Opened
from irbox.pictures.picture import Metadata
from irbox.pictures.tiff_directory import (
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
    metadata = Metadata(icc=info.get('icc_profile') or None, xmp=find_xmp(opened))
    exif = info.get('exif')
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        jpeg.read_segments(image, metadata, notes)
    elif image.format == 'PNG' and data is not None:
        chunks = png.read_chunks(data)
        metadata.chunks = png.kept_chunks(chunks, notes)
        exif = png.find_chunk(chunks, b'eXIf') or exif or _raw_profile(image)
    elif image.format == 'TIFF' and data is not None:
        exif = _read_tiff(data, metadata, notes)
    elif image.format == 'GIF':
        metadata.comment = _bytes(info.get('comment'))
    if exif:
        metadata.exif = _plain(exif)
    metadata.dpi = _resolution(image)
    return metadata


def find_xmp(opened: Opened) -> bytes | None:
    """Return the XMP packet of an opened picture, or None.

    Raises:
        ValueError: The file is damaged.
    """
    image, data = opened.image, opened.data
    if data is not None and image.format == 'PNG':
        # Pillow sees what stands behind the pixels only after decoding them.
        return png.find_xmp(png.read_chunks(data))
    if data is not None and image.format == 'JXL':
        return _box(data, b'xml ')
    return _bytes(image.info.get('xmp'))


def _box(data: bytes, kind: bytes) -> bytes | None:
    """Return the content of a box of a JXL file, which its plug-in for Pillow leaves aside."""
    place = 0
    while place + 8 <= len(data) and data[:4] == b'\0\0\0\x0c':
        size, found = struct.unpack_from('>I4s', data, place)
        if found == kind:
            return data[place + 8 : place + size if size else len(data)]
        if size < 8:
            return None
        place += size
    return None


def read_orientation(metadata: Metadata, notes: list[str]) -> int:
    """Return how the stored picture lies, 1 to 8: by EXIF, or else by XMP, as Pillow does.

    Args:
        metadata: Loses an EXIF block that is damaged.
        notes: Gets a sentence then.
    """
    found = None
    if metadata.exif is not None:
        try:
            found = ExifBlock(metadata.exif).orientation
        except ValueError as error:
            metadata.exif = None
            notes.append(f'EXIF was left out: it is {error}.')
    if found is None and metadata.xmp is not None:
        found = xmp.orientation(metadata.xmp)
    return found or 1


def _read_tiff(data: bytes, metadata: Metadata, notes: list[str]) -> bytes | None:
    fields = fields_of(data, STRUCTURE - {ORIENTATION})
    for tag, name in ((700, 'xmp'), (33723, 'iptc'), (34377, 'photoshop'), (34675, 'icc')):
        field = fields.get(tag)
        if isinstance(field, tuple):
            setattr(metadata, name, field[1] or None)
    if metadata.icc is not None and len(metadata.icc) < 128:
        metadata.icc = None
    return exif_block({tag: field for tag, field in fields.items() if tag not in SEPARATE})


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Return the resolution that stands outside of EXIF and of a TIFF file's tags."""
    dpi = image.info.get('dpi')
    # Pillow takes EXIF's where a JPEG file gives none of its own.
    in_exif = 'jfif' in image.info and image.info.get('jfif_unit') not in (1, 2)
    if dpi is None or in_exif or image.format == 'TIFF' or not all(float(one) > 0 for one in dpi):
        return None
    return float(dpi[0]), float(dpi[1])


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
