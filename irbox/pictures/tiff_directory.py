"""Reading and copying directories (IFDs) of TIFF files and EXIF blocks, byte for byte.

Pillow's and tifffile's writers lose what they do not know: text that is not ASCII, types of private
tags, directories below in compressed files. A copy of the bytes loses nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from typing import NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
SIZES |= {16: 8, 17: 8, 18: 8}
# Bytes that are turned round together: a rational is two numbers of four bytes.
_UNITS = SIZES | {5: 4, 10: 4}
EXIF_POINTER, GPS_POINTER, INTEROP_POINTER = 0x8769, 0x8825, 0xA005
POINTERS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROP_POINTER})

STRUCTURE = frozenset(
    # How the pixels are stored, which the writer decides anew, and pictures beside the first.
    [254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284]
    + [288, 289, 290, 291, 292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332]
    + [334, 336, 338, 339, 340, 341, 342, 347, 529, 530, 531, 532, 50838, 50839]
    + list(range(512, 522))
)
SEPARATE = frozenset({700, 33723, 34377, 34675})
"""XMP, IPTC, Photoshop resources and color profile, which other formats hold elsewhere."""
GEO = frozenset({33550, 33922, 34264, 34735, 34736, 34737})
"""Where on Earth a picture lies."""


Fields = dict[int, 'tuple[int, bytes] | Fields']
"""Tag to type and little-endian value, or to the fields of the directory below."""


class Entry(NamedTuple):
    """Hold one entry: where it stands, its type, and where its value stands."""

    place: int
    kind: int
    value_place: int
    size: int


def first_directory(data: bytes | bytearray) -> tuple[str, bool, int]:
    """Return the byte order (``'<'`` or ``'>'``), whether it is BigTIFF, and the first offset.

    Raises:
        ValueError: It does not begin as a TIFF file.
    """
    if data[:4] not in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        raise ValueError('no TIFF structure')
    order = '<' if data[:1] == b'I' else '>'
    big = b'+' in data[:4]
    return order, big, number(data, order + ('Q' if big else 'I'), 8 if big else 4)


def number(data: bytes | bytearray, kind: str, place: int) -> int:
    """Read one number.

    Raises:
        ValueError: The data end before it.
    """
    try:
        return int(struct.unpack_from(kind, data, place)[0])
    except struct.error as error:
        raise ValueError(f'a TIFF structure that ends too early ({error})') from error


def read_directory(
    data: bytes | bytearray, order: str, start: int, *, big: bool = False
) -> dict[int, Entry]:
    """Read the entries of a directory: tag to entry.

    Raises:
        ValueError: It is damaged.
    """
    head, length, offset = (8, 20, 'Q') if big else (2, 12, 'I')
    inline = length - 4 - (8 if big else 4)
    found: dict[int, Entry] = {}
    for index in range(number(data, order + ('Q' if big else 'H'), start)):
        place = start + head + length * index
        kind = number(data, order + 'H', place + 2)
        size = SIZES.get(kind, 1) * number(data, order + offset, place + 4)
        value_place = place + length - inline
        if size > inline:
            value_place = number(data, order + offset, value_place)
        if value_place + size > len(data):
            raise ValueError('a TIFF structure whose values lie outside of it')
        found[number(data, order + 'H', place)] = Entry(place, kind, value_place, size)
    return found


def read_fields(
    data: bytes | bytearray, order: str, start: int, *, big: bool = False, drop: Container[int] = ()
) -> Fields:
    """Read the values of a directory and of the directories below it.

    Args:
        data: The file or block that holds it.
        order: Its byte order.
        start: Where the directory stands.
        big: Whether it is BigTIFF.
        drop: Tags to leave out.

    Raises:
        ValueError: It is damaged.
    """
    fields: Fields = {}
    for tag, entry in read_directory(data, order, start, big=big).items():
        if tag in drop:
            continue
        if tag in POINTERS:
            wide = 'Q' if SIZES.get(entry.kind) == 8 else 'I'
            below = number(data, order + wide, entry.value_place)
            # A directory that points back at itself would never end.
            inside = POINTERS if tag == INTEROP_POINTER else POINTERS - {INTEROP_POINTER}
            fields[tag] = read_fields(data, order, below, big=big, drop=inside)
            continue
        value = bytes(data[entry.value_place : entry.value_place + entry.size])
        # Streams of bytes, which some programs call numbers.
        unit = 1 if tag in SEPARATE else _UNITS.get(entry.kind, 1)
        if order == '>' and unit > 1:
            value = b''.join(value[i : i + unit][::-1] for i in range(0, len(value), unit))
        fields[tag] = (entry.kind, value)
    return fields


def directory(fields: Fields, *, at: int, finished: Mapping[int, bytes] | None = None) -> bytes:
    """Lay out a little-endian directory, its values behind it.

    Args:
        fields: Tag to type and value, or to the fields of a directory below.
        at: Offset that it will have.
        finished: Tag to the 12 bytes of an entry whose value stands elsewhere already.
    """
    entries = dict(finished or {})
    content = bytearray()
    start = at + 2 + 12 * len({*fields, *entries}) + 4
    for tag, field in fields.items():
        content += bytes((start + len(content)) % 2)
        place = start + len(content)
        if isinstance(field, dict):
            content += directory(field, at=place)
            entries[tag] = struct.pack('<HHII', tag, 4, 1, place)
            continue
        kind, value = field
        inline = value.ljust(4, b'\0')
        if len(value) > 4:
            content += value
            inline = struct.pack('<I', place)
        entries[tag] = struct.pack('<HHI', tag, kind, len(value) // SIZES.get(kind, 1)) + inline
    table = b''.join(entries[tag] for tag in sorted(entries))
    return struct.pack('<H', len(entries)) + table + bytes(4) + bytes(content)


def fields_of(data: bytes, drop: Container[int] = STRUCTURE) -> Fields:
    """Return what a TIFF file or an EXIF block says beside its pixels.

    Raises:
        ValueError: It is damaged.
    """
    order, big, start = first_directory(data)
    return read_fields(data, order, start, big=big, drop=drop)


def exif_block(fields: Fields) -> bytes:
    """Make an EXIF block of fields."""
    return b'II*\0\x08\0\0\0' + directory(fields, at=8)


def add_fields(file: bytearray, fields: Fields) -> None:
    """Add fields to the first directory of a TIFF file, in the place of those of the same tags.

    The pixels stay where they are: a larger directory is put at the end.

    Args:
        file: A little-endian classic TIFF file; changed in place.
        fields: What to add.

    Raises:
        ValueError: The file is BigTIFF (above 4 GB).
    """
    order, big, start = first_directory(file)
    if big or order != '<':
        raise ValueError('a file above 4 GB, to which nothing can be added')
    own = read_directory(file, order, start)
    finished = {tag: bytes(file[e.place : e.place + 12]) for tag, e in own.items()}
    file += bytes(len(file) % 2)
    place = len(file)
    file += directory(fields, at=place, finished=finished)
    struct.pack_into('<I', file, 4, place)
