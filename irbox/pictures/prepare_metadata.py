"""Making metadata true for the written picture: upright, of its size, stripped, with a record."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from irbox.pictures import jpeg, photoshop, png, xmp
from irbox.pictures.exif import MARK as EXIF_MARK
from irbox.pictures.exif import ExifBlock, Thumbnail
from irbox.pictures.picture import Metadata, Picture
from irbox.pictures.record import add_record
from irbox.pictures.tiff_directory import GEO, exif_block, fields_of

STRIPS = ('gps', 'all')
_FULL = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'AVIF', 'HEIF', 'JXL')
_HOLDS: dict[str, tuple[str, ...]] = {
    'exif': _FULL,
    'icc': _FULL,
    'xmp': _FULL,
    'photoshop': ('JPEG', 'TIFF'),
    'iptc': ('TIFF',),
    'comment': ('JPEG', 'GIF'),
    'dpi': ('JPEG', 'PNG', 'TIFF', 'BMP'),
}
_WORDS = {
    'exif': 'EXIF',
    'icc': 'The color profile',
    'xmp': 'XMP',
    'photoshop': 'Photoshop resources (IPTC)',
    'iptc': 'IPTC',
    'comment': 'The comment',
    'dpi': 'The resolution',
}


def prepare_metadata(
    picture: Picture,
    written: str,
    strip: Collection[str],
    record: Mapping[str, Any] | None,
    *,
    thumbnail: Thumbnail,
    notes: list[str],
) -> Metadata:
    """Return the metadata for the written file.

    Args:
        picture: Whose metadata.
        written: Format of the file, by Pillow's name.
        strip: See ``write_picture``.
        record: See ``write_picture``.
        thumbnail: Gives a thumbnail of the restored picture of at most so many bytes.
        notes: Gets a sentence for what cannot be kept.

    Raises:
        ValueError: The record cannot be written as XMP.
    """
    metadata = replace(picture.metadata)
    if 'all' in strip:
        colors = [one for one in metadata.chunks if one[0] in (*png.COLOR, b'pHYs')]
        metadata = Metadata(icc=metadata.icc, dpi=metadata.dpi, chunks=colors)
    elif 'gps' in strip:
        _strip_gps(metadata, notes)
    _make_true(metadata, picture, written, thumbnail, notes)
    if record is not None:
        _add_record(metadata, record, written, notes)
    _leave_out(metadata, picture.format, written, notes)
    return metadata


def _strip_gps(metadata: Metadata, notes: list[str]) -> None:
    if metadata.exif is not None:
        try:
            block = ExifBlock(metadata.exif)
            block.remove_gps()
            metadata.exif = bytes(block.data)
            fields = fields_of(metadata.exif, drop=())
            if GEO & fields.keys():
                kept = {tag: field for tag, field in fields.items() if tag not in GEO}
                metadata.exif = exif_block(kept)
        except ValueError as error:
            metadata.exif = None
            notes.append(f'EXIF was left out with the position: {error}.')
    if metadata.xmp is not None:
        try:
            metadata.xmp = xmp.remove_gps(metadata.xmp)
        except ValueError as error:
            metadata.xmp = None
            notes.append(f'XMP was left out with the position: {error}.')
    metadata.photoshop = _resources(metadata.photoshop, photoshop.EMBEDDED)
    metadata.segments = [one for one in metadata.segments if b'GPS' not in one[1]]
    metadata.chunks = [
        one for one in metadata.chunks if one[0] not in png.TEXT or b'GPS' not in one[1][:80]
    ]


def _make_true(
    metadata: Metadata, picture: Picture, written: str, thumbnail: Thumbnail, notes: list[str]
) -> None:
    width, height = picture.size
    if metadata.exif is not None:
        limit = jpeg.SEGMENT - len(EXIF_MARK) if written == 'JPEG' else 1 << 24
        try:
            block = ExifBlock(metadata.exif)
            block.make_upright(width, height, turned=picture.turned)
            block.replace_thumbnail(thumbnail, limit)
            metadata.exif = bytes(block.data)
        except ValueError as error:
            metadata.exif = None
            notes.append(f'EXIF was left out: it is {error}.')
    if metadata.xmp is not None:
        try:
            metadata.xmp = xmp.make_upright(metadata.xmp, width, height)
        except ValueError as error:
            metadata.xmp = None
            notes.append(f'XMP was left out: it is {error}.')
    metadata.photoshop = _resources(metadata.photoshop, photoshop.THUMBNAILS)


def _resources(resources: bytes | None, numbers: frozenset[int]) -> bytes | None:
    if resources is None:
        return None
    try:
        return photoshop.without(resources, numbers) or None
    except ValueError:
        # Damaged ones were in the file, too, and no thumbnail can be found in them.
        return resources


def _add_record(
    metadata: Metadata, record: Mapping[str, Any], written: str, notes: list[str]
) -> None:
    if written not in _HOLDS['xmp']:
        notes.append(f'The record of the making was not written: {written} holds no XMP.')
        return
    try:
        metadata.xmp = add_record(metadata.xmp, record)
    except ValueError as error:
        # Of the packet, or of the record, which then fails again.
        metadata.xmp = add_record(None, record)
        notes.append(f'XMP was left out: it is {error}.')


def _move_iptc(metadata: Metadata, own: str, written: str) -> None:
    """Put IPTC where the other format holds it: TIFF by itself, JPEG among the resources."""
    if own == 'TIFF' and written == 'JPEG' and metadata.iptc is not None:
        rest = _resources(metadata.photoshop, frozenset({photoshop.IPTC})) or b''
        metadata.photoshop = photoshop.resource(photoshop.IPTC, metadata.iptc) + rest
        metadata.iptc = None
    elif own == 'JPEG' and written == 'TIFF' and metadata.photoshop is not None:
        with contextlib.suppress(ValueError):
            metadata.iptc = photoshop.find(metadata.photoshop, photoshop.IPTC)


def _leave_out(metadata: Metadata, own: str, written: str, notes: list[str]) -> None:
    """Take out what another format cannot hold, and say so."""
    if own != written and metadata.icc is None and (colors := png.own_colors(metadata.chunks)):
        notes.append(
            f'The meaning of the colors ({", ".join(colors)}) was left out: {written} has no place '
            'for it.'
        )
    _move_iptc(metadata, own, written)
    for name, formats in _HOLDS.items():
        if getattr(metadata, name) is not None and written not in formats:
            setattr(metadata, name, None)
            notes.append(f'{_WORDS[name]} was left out: {written} has no place for it.')
    if own == written:
        return
    texts = [one for one in metadata.chunks if one[0] in png.TEXT]
    if texts:
        keys = ', '.join(sorted({c.split(b'\0', 1)[0].decode('latin-1') for _, c in texts}))
        notes.append(f'PNG text ({keys}) was left out: {written} has no place for it.')
    metadata.chunks = []
    metadata.segments = []
