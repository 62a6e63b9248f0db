"""Photoshop image resources (``8BIM``), in which JPEG and TIFF files hold IPTC."""

from __future__ import annotations

import struct
from collections.abc import Container

MARK = b'Photoshop 3.0\0'
THUMBNAILS = frozenset({0x0409, 0x040C})
EMBEDDED = frozenset({0x0422, 0x0423, 0x0424})
"""EXIF and XMP once more, as old programs put them."""


def without(resources: bytes, numbers: Container[int]) -> bytes:
    """Return the resources without those of the given numbers.

    Raises:
        ValueError: The resources are damaged.
    """
    kept, place = bytearray(), 0
    while place + 12 <= len(resources):
        if resources[place : place + 4] not in (b'8BIM', b'MeSa', b'AgHg', b'PHUT', b'DCSR'):
            raise ValueError('Photoshop resources that are damaged')
        (number,) = struct.unpack_from('>H', resources, place + 4)
        # The name is padded to an even length, counted with its length byte.
        after_name = place + 6 + (resources[place + 6] + 2) // 2 * 2
        try:
            (size,) = struct.unpack_from('>I', resources, after_name)
        except struct.error as error:
            raise ValueError('Photoshop resources that end too early') from error
        end = after_name + 4 + size + size % 2
        if end > len(resources) + size % 2:
            raise ValueError('Photoshop resources that end too early')
        if number not in numbers:
            kept += resources[place:end]
        place = end
    return bytes(kept)
