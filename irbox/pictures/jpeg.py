"""JPEG: its own quantization tables and subsampling, and the segments that Pillow leaves aside."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from irbox.pictures import photoshop
from irbox.pictures.exif import MARK as EXIF_MARK
from irbox.pictures.picture import Metadata

XMP_MARK = b'http://ns.adobe.com/xap/1.0/\0'
EXTENDED_XMP_MARK = b'http://ns.adobe.com/xmp/extension/\0'
SEGMENT = 65533
"""Bytes that fit into one segment."""
QUALITY = 95
"""Of a picture that was no JPEG file before, at full color resolution."""


def read_encoding(image: Image.Image, *, turned: bool) -> dict[str, Any]:
    """Return how a JPEG file was encoded.

    Args:
        image: The opened, undecoded file.
        turned: Whether width and height are exchanged; tables are transposed with the blocks.

    Returns:
        ``qtables`` (one per component), ``subsampling`` (Pillow's number, None where it has none
        for the ``factors`` of the components), ``progressive`` and ``keep_rgb``.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.layers not in (1, 3):
        return {}
    if any(layer[3] not in image.quantization for layer in image.layer):
        return {}
    tables = [image.quantization[layer[3]] for layer in image.layer]
    if turned:
        tables = [np.reshape(table, (8, 8)).T.ravel().tolist() for table in tables]
    if len(tables) == 3 and tables[1] == tables[2]:
        tables.pop()
    # Horizontal and vertical factors of each component.
    factors = [layer[2:0:-1] if turned else layer[1:3] for layer in image.layer]
    numbers = {tuple(key): number for key, number in JpegImagePlugin.samplings.items()}
    subsampling = numbers.get(tuple(n for two in factors for n in two)) if len(factors) == 3 else 0
    ids = bytes(layer[0] for layer in image.layer)
    return {
        'qtables': tables,
        'subsampling': subsampling,
        'factors': factors,
        'progressive': bool(image.info.get('progressive')),
        'keep_rgb': image.layers == 3 and (image.info.get('adobe_transform') == 0 or ids == b'RGB'),
    }


def read_segments(image: Image.Image, metadata: Metadata, notes: list[str]) -> None:
    """Read Photoshop resources, comments and the segments that Pillow leaves aside.

    Args:
        image: The opened file.
        metadata: Gets them.
        notes: Gets a sentence for each kind that cannot be kept.
    """
    comments = []
    resources = b''
    for name, content in getattr(image, 'applist', []):
        if name == 'COM':
            comments.append(content)
        elif name == 'APP13' and content.startswith(photoshop.MARK):
            resources += content[len(photoshop.MARK) :]
        elif name == 'APP1' and content.startswith(EXTENDED_XMP_MARK):
            metadata.segments.append((1, content))
        elif name == 'APP11' and content[:2] == b'JP':
            _say(notes, 'Content credentials (C2PA) sign the old pixels and were left out.')
        elif name == 'APP2' and content.startswith((b'MPF\0', b'urn:iso:std:iso:ts:21496')):
            _say(notes, 'Further pictures in the file (preview, depth or gain map) were left out.')
        elif name not in ('APP0', 'APP1', 'APP2', 'APP14'):
            metadata.segments.append((int(name[3:]), content))
    metadata.photoshop = resources or None
    metadata.comment = b'\n'.join(comments) or None


def _say(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def write_jpeg(
    file: BinaryIO,
    image: Image.Image,
    encoding: dict[str, Any],
    metadata: Metadata,
    quality: int | None,
    notes: list[str],
) -> None:
    """Write a JPEG file.

    Args:
        file: Where to.
        image: Of mode L or RGB.
        encoding: What ``read_encoding`` gave, or nothing.
        metadata: What to write beside the pixels.
        quality: 1 to 100 in the place of the file's own tables, or None.
        notes: Gets a sentence for what cannot be kept.
    """
    options: dict[str, Any] = {'progressive': encoding.get('progressive', False)}
    options['subsampling'] = encoding.get('subsampling', 0)
    if encoding and options['subsampling'] is None:
        options['subsampling'] = 0
        factors = ', '.join(f'{across}x{down}' for across, down in encoding['factors'])
        notes.append(f'Color subsampling ({factors}) was replaced by full color resolution.')
    tables = encoding.get('qtables')
    # Grey and color have different numbers of tables where a conversion changed that.
    if quality is not None or not tables:
        options['quality'] = QUALITY if quality is None else quality
    else:
        options |= {'qtables': tables[: 1 if image.mode == 'L' else 3], 'quality': -1}
    if image.mode == 'RGB' and encoding.get('keep_rgb'):
        # libjpeg subsamples color differences, not red or green.
        if options['subsampling'] == 0:
            options['keep_rgb'] = True
        else:
            notes.append('Subsampled RGB was replaced by YCbCr.')
    if metadata.exif is not None:
        if len(metadata.exif) + len(EXIF_MARK) <= SEGMENT:
            options['exif'] = EXIF_MARK + metadata.exif
        else:
            notes.append(f'EXIF of {len(metadata.exif)} bytes is too long for JPEG: left out.')
    if metadata.xmp is not None:
        if len(metadata.xmp) + len(XMP_MARK) <= SEGMENT:
            options['xmp'] = metadata.xmp
        else:
            notes.append(f'XMP of {len(metadata.xmp)} bytes is too long for JPEG: left out.')
    if metadata.comment and len(metadata.comment) <= SEGMENT:
        options['comment'] = metadata.comment
    if metadata.dpi is not None:
        options['dpi'] = metadata.dpi
    image.save(
        file, 'JPEG', icc_profile=metadata.icc, extra=_extra(metadata), **_without_none(options)
    )


def _extra(metadata: Metadata) -> bytes:
    segments = list(metadata.segments)
    resources = metadata.photoshop or b''
    step = SEGMENT - len(photoshop.MARK)
    for start in range(0, len(resources), step):
        segments.append((13, photoshop.MARK + resources[start : start + step]))
    return b''.join(
        struct.pack('>BBH', 0xFF, 0xE0 + number, len(content) + 2) + content
        for number, content in segments
    )


def _without_none(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}
