"""WebP: lossless stays lossless."""

from __future__ import annotations

import struct
from typing import Any

from irbox.pictures.open_source import Opened


def read_encoding(opened: Opened) -> dict[str, Any]:
    """Return whether a WebP file is lossless; nothing for other files."""
    data = opened.data
    if data is None or data[:4] != b'RIFF' or data[8:12] != b'WEBP':
        return {}
    return {'lossless': b'VP8L' in _chunks(data, 12)}


def _chunks(data: bytes, place: int) -> set[bytes]:
    """Return the kinds of chunks; those of the first frame stand within ``ANMF``."""
    kinds = set()
    while place + 8 <= len(data):
        kind, size = struct.unpack_from('<4sI', data, place)
        kinds.add(kind)
        place += 8 + (16 if kind == b'ANMF' else size + size % 2)
    return kinds
