"""JXL, AVIF and HEIF: whether a file was written without loss, which only its header hints at."""

from __future__ import annotations

import struct
from typing import Any

from irbox.pictures.open_source import Opened

_IDENTITY = 0
"""Matrix coefficients (H.273) of a file whose planes are the colors themselves."""


def read_encoding(opened: Opened) -> dict[str, Any]:
    """Return ``lossless`` of a JXL, AVIF or HEIF file that was; nothing for others.

    JXL counts as lossless where its colors are not in XYB, which every lossy encoder of pixels uses
    (ISO/IEC 18181-1, D.2); a JPEG file within JXL counts, too. AVIF and HEIF count where their
    planes are RGB. Lossless ones of another form (grey) are not found.
    """
    data, kind = opened.data, opened.image.format
    if data is None:
        return {}
    if kind == 'JXL':
        return {'lossless': True} if _is_without_xyb(data) else {}
    if kind in ('AVIF', 'HEIF'):
        place = data.find(b'colrnclx', 0, 1 << 16)
        if 0 < place < len(data) - 14:
            matrix: int = struct.unpack_from('>H', data, place + 12)[0]
            return {'lossless': True} if matrix == _IDENTITY else {}
    return {}


class _Bits:
    """Reads numbers from bits, the least significant of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._bits = ''.join(f'{byte:08b}'[::-1] for byte in data)
        self._place = 0

    def take(self, count: int) -> int:
        """Read a number of so many bits."""
        text = self._bits[self._place : self._place + count]
        if len(text) < count:
            raise ValueError('the header ends early')
        self._place += count
        return int(text[::-1], 2) if text else 0

    def choose(self, *counts: int) -> tuple[int, int]:
        """Read which of four ways a number is written, and its bits."""
        which = self.take(2)
        return which, self.take(counts[which])


def _is_without_xyb(data: bytes) -> bool:
    try:
        return not _has_xyb(_Bits(_codestream(data)[2:66]))
    except ValueError:
        return False


def _codestream(data: bytes) -> bytes:
    """Find the start of the coded picture, in a file that is in boxes or not."""
    if data.startswith(b'\xff\x0a'):
        return data[:66]
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from('>I4s', data, place)
        if kind in (b'jxlc', b'jxlp'):
            start = place + (8 if kind == b'jxlc' else 12)
            return data[start : start + 66]
        if size < 8:
            break
        place += size
    raise ValueError('no picture')


def _has_xyb(bits: _Bits) -> bool:
    """Read ``xyb_encoded`` of the image's metadata (D.3), true where what is before is unusual."""
    small = bits.take(1)
    _skip_side(bits, small)
    if not bits.take(3):  # no ratio of the sides: the width is written, too
        _skip_side(bits, small)
    if bits.take(1):  # all is as it is by default
        return True
    if bits.take(1):  # orientation, and whether there are other sizes, a preview, an animation
        bits.take(3)
        if bits.take(3):
            return True
    if bits.take(1):  # floats
        bits.choose(0, 0, 0, 6)
        bits.take(4)
    else:
        bits.choose(0, 0, 0, 6)
    bits.take(1)  # 16 bits suffice for the modular mode
    which, rest = bits.choose(0, 0, 4, 12)
    channels = (0, 1, 2 + rest, 1 + rest)[which]
    for _ in range(channels):
        if not bits.take(1):  # an alpha that is not the usual one
            return True
    return bool(bits.take(1))


def _skip_side(bits: _Bits, small: int) -> None:
    if small:
        bits.take(5)
    else:
        bits.choose(9, 13, 18, 30)
