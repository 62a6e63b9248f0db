"""Keeping EXIF true by changing single values where they stand.

Libraries write the block anew. That moves the maker's notes, whose inner offsets most cameras count
from the start of the block, and so breaks them. Here every byte stays at its place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from irbox.pictures.tiff_directory import (
    EXIF_POINTER,
    GPS_POINTER,
    Entry,
    first_directory,
    number,
    read_directory,
)

ORIENTATION, WIDTH, HEIGHT = 0x0112, 0x0100, 0x0101
X_RESOLUTION, Y_RESOLUTION = 0x011A, 0x011B
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
THUMBNAIL_START, THUMBNAIL_LENGTH = 0x0201, 0x0202
MARK = b'Exif\0\0'

Thumbnail = Callable[[int], bytes | None]


class ExifBlock:
    """Change an EXIF block in place.

    Args:
        data: The block, which begins with ``II*`` or ``MM``.

    Raises:
        ValueError: It is no EXIF block, or damaged.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._order, big, self._first = first_directory(self.data)
        if big:
            raise ValueError('an EXIF block of a form that EXIF does not know')
        self._entries = read_directory(self.data, self._order, self._first)
        # Where the offset of the second directory, the thumbnail's, stands.
        self._next_place = self._first + 2 + 12 * self._number('H', self._first)

    def _number(self, kind: str, place: int) -> int:
        return number(self.data, self._order + kind, place)

    def _put(self, kind: str, place: int, value: int) -> None:
        struct.pack_into(self._order + kind, self.data, place, value)

    def _set(self, entry: Entry | None, value: int) -> None:
        if entry is not None and entry.kind in (3, 4):
            # A side above 65535 in a field of two bytes cannot be told.
            kind = 'H' if entry.kind == 3 else 'I'
            self._put(kind, entry.value_place, value if kind == 'I' else min(value, 0xFFFF))

    def _below(self, pointer: int) -> dict[int, Entry]:
        entry = self._entries.get(pointer)
        if entry is None:
            return {}
        return read_directory(self.data, self._order, self._number('I', entry.value_place))

    @property
    def orientation(self) -> int | None:
        """Return how the stored picture lies, 1 to 8, or None where that is not said."""
        entry = self._entries.get(ORIENTATION)
        if entry is None or entry.kind not in (3, 4):
            return None
        return self._number('H' if entry.kind == 3 else 'I', entry.value_place)

    def make_upright(self, width: int, height: int, *, turned: bool) -> None:
        """Set the orientation to 1 and the sizes to those of the upright picture.

        Args:
            width: Width of the upright picture.
            height: Its height.
            turned: Whether width and height were exchanged, and so the resolutions must be.
        """
        own, below = self._entries, self._below(EXIF_POINTER)
        self._set(own.get(ORIENTATION), 1)
        for entry, value in (
            (own.get(WIDTH), width),
            (own.get(HEIGHT), height),
            (below.get(PIXEL_WIDTH), width),
            (below.get(PIXEL_HEIGHT), height),
        ):
            self._set(entry, value)
        across, down = own.get(X_RESOLUTION), own.get(Y_RESOLUTION)
        if turned and across and down and across.size == down.size == 8:
            a, b = (slice(e.value_place, e.value_place + 8) for e in (across, down))
            self.data[a], self.data[b] = self.data[b], self.data[a]

    def replace_thumbnail(self, make: Thumbnail, limit: int) -> None:
        """Put a new thumbnail in the place of the old one, or take it out.

        Args:
            make: Gives a JPEG file of at most so many bytes, or None where none is that small.
            limit: Largest size of the block.

        Raises:
            ValueError: The block is damaged.
        """
        start = self._number('I', self._next_place) if self._has_next() else 0
        if not start:
            return
        entries = read_directory(self.data, self._order, start)
        position, length = entries.get(THUMBNAIL_START), entries.get(THUMBNAIL_LENGTH)
        if position is None or length is None:
            self._put('I', self._next_place, 0)
            return
        old, old_size = (self._number('I', entry.value_place) for entry in (position, length))
        if old + old_size > len(self.data):
            raise ValueError('an EXIF block whose thumbnail lies outside of it')
        at_end = old + old_size == len(self.data)
        new = make(limit - old if at_end else max(old_size, limit - len(self.data)))
        self.data[old : old + old_size] = b'' if at_end else bytes(old_size)
        if new is None:
            self._put('I', self._next_place, 0)
            return
        if at_end or len(new) > old_size:
            old = len(self.data)
            self.data += new
        else:
            self.data[old : old + len(new)] = new
        self._put('I', position.value_place, old)
        self._put('I', length.value_place, len(new))
        self._set(entries.get(ORIENTATION), 1)

    def _has_next(self) -> bool:
        return self._next_place + 4 <= len(self.data)

    def remove_gps(self) -> None:
        """Take the position out: the pointer to it, and what it pointed to.

        Raises:
            ValueError: The block is damaged.
        """
        pointer = self._entries.get(GPS_POINTER)
        if pointer is None:
            return
        start = self._number('I', pointer.value_place)
        for entry in self._below(GPS_POINTER).values():
            self.data[entry.value_place : entry.value_place + entry.size] = bytes(entry.size)
        size = 2 + 12 * self._number('H', start)
        self.data[start : start + size] = bytes(size)
        # The entries behind move up by one place, and so does the offset of the next directory.
        end = min(self._next_place + 4, len(self.data))
        rest = self.data[pointer.place + 12 : end]
        self.data[pointer.place : end] = rest + bytes(12)
        self._put('H', self._first, self._number('H', self._first) - 1)
        self._next_place -= 12
        self._entries = read_directory(self.data, self._order, self._first)
