"""Photoshop image resources (``8BIM``), in which JPEG and TIFF files hold IPTC."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

MARK = b'Photoshop 3.0\0'
THUMBNAILS = frozenset({0x0409, 0x040C})
EMBEDDED = frozenset({0x0422, 0x0423, 0x0424})
"""EXIF and XMP once more, as old programs put them."""


IPTC = 0x0404


def resource(number: int, content: bytes) -> bytes:
    """Lay out one resource, without a name."""
    head = struct.pack('>4sHHI', b'8BIM', number, 0, len(content))
    return head + content + bytes(len(content) % 2)


def find(resources: bytes, number: int) -> bytes | None:
    """Return the content of a resource, or None.

    Raises:
        ValueError: The resources are damaged.
    """
    return next((content for one, content, _ in _split(resources) if one == number), None)


def without(resources: bytes, numbers: Container[int]) -> bytes:
    """Return the resources without those of the given numbers.

    Raises:
        ValueError: The resources are damaged.
    """
    return b''.join(whole for number, _, whole in _split(resources) if number not in numbers)


def _split(resources: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Give number and content of each resource, and the whole of it."""
    place = 0
    while place + 12 <= len(resources):
        if resources[place : place + 4] not in (b'8BIM', b'MeSa', b'AgHg', b'PHUT', b'DCSR'):
            raise ValueError('Photoshop resources that are damaged')
        (number,) = struct.unpack_from('>H', resources, place + 4)
        # The name is padded to an even length, counted with its length byte.
        start = place + 6 + (resources[place + 6] + 2) // 2 * 2 + 4
        if start > len(resources):
            raise ValueError('Photoshop resources that end too early')
        (size,) = struct.unpack_from('>I', resources, start - 4)
        if start + size > len(resources):
            raise ValueError('Photoshop resources that end too early')
        end = start + size + size % 2
        yield number, resources[start : start + size], resources[place:end]
        place = end
