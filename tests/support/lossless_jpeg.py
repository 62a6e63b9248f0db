"""JPEG files of the lossless kind (ISO 10918-1, annex H), which nobody writes any more."""

import struct

import numpy as np

CATEGORIES = 9


def lossless_jpeg(values):
    """Write (H, W, C) uint8 as differences from the left; a code of four bits says how long."""
    height, width, channels = values.shape
    numbers = values.astype(int)
    before = np.concatenate([np.full((1, 1, channels), 128), numbers[:-1, :1]])
    differences = np.diff(np.concatenate([before, numbers], axis=1), axis=1)
    if abs(differences).max() >= 1 << CATEGORIES - 1:
        raise ValueError('neighbors differ by more than this table has codes for')
    bits = ''.join(_code(int(one)) for one in differences.ravel())
    bits += '1' * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    frame = struct.pack('>BHHB', 8, height, width, channels)
    frame += b''.join(bytes((number + 1, 0x11, 0)) for number in range(channels))
    table = bytes((0, 0, 0, 0, CATEGORIES, *[0] * 12)) + bytes(range(CATEGORIES))
    scan = bytes((channels, *[b for n in range(channels) for b in (n + 1, 0)], 1, 0, 0))
    segments = _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return b'\xff\xd8' + segments + data.replace(b'\xff', b'\xff\0') + b'\xff\xd9'


def _segment(kind, content):
    return bytes((0xFF, kind)) + struct.pack('>H', len(content) + 2) + content


def _code(difference):
    length = abs(difference).bit_length()
    if not length:
        return '0000'
    value = difference if difference > 0 else difference + (1 << length) - 1
    return f'{length:04b}{value:0{length}b}'
