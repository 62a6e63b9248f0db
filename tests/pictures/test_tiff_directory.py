"""Directories laid out by hand, copied, and read again by Pillow and tifffile."""

import io
import struct

import numpy as np
import pytest
import tifffile

from irbox.pictures.tiff_directory import (
    POINTERS,
    add_fields,
    exif_block,
    fields_of,
    first_directory,
    read_directory,
)
from support.picture_files import deep, tiff
from support.tiff_blocks import camera_block, header, ifd, long, read_by_pillow, short


@pytest.mark.parametrize('order', ['<', '>'])
def test_a_copy_of_a_block_says_what_the_block_said(order):
    data = camera_block(order)
    fields = fields_of(data, drop={0x0100})
    assert fields[0x0112] == (3, b'\6\0'), 'little-endian in any case'
    assert fields[0x8825][2] == (5, struct.pack('<6I', 52, 1, 30, 1, 0, 1))
    copied, first = read_by_pillow(exif_block(fields)), read_by_pillow(data)
    del first[0][0x0100]
    for own in (copied[0], first[0]):
        for pointer in POINTERS:
            own.pop(pointer, None)
    assert copied == first


def test_values_begin_at_even_places_and_entries_are_in_order():
    block = exif_block({700: (1, b'odd-sized'), 270: (2, b'text\0'), 259: (3, b'\1\0')})
    entries = read_directory(block, '<', 8)
    assert list(entries) == [259, 270, 700]
    assert all(entry.value_place % 2 == 0 for entry in entries.values() if entry.size > 4)


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (b'II*\0' + struct.pack('<I', 8), ('<', False, 8)),
        (b'MM\0*' + struct.pack('>I', 9), ('>', False, 9)),
        (b'II+\0\x08\0\0\0' + struct.pack('<Q', 16), ('<', True, 16)),
        (b'MM\0+\0\x08\0\0' + struct.pack('>Q', 2**40), ('>', True, 2**40)),
    ],
)
def test_the_four_beginnings(data, expected):
    assert first_directory(data) == expected
    with pytest.raises(ValueError, match='ends too early'):
        first_directory(data[:-1])
    with pytest.raises(ValueError, match='no TIFF structure'):
        first_directory(b'II\0*' + data[4:])


@pytest.mark.parametrize('options', [{}, {'bigtiff': True}, {'byteorder': '>'}], ids=str)
def test_entries_of_a_file_are_those_of_a_second_reader(options):
    data = tiff(deep(), photometric='rgb', description='a cat', **options)
    order, big, start = first_directory(data)
    entries = read_directory(data, order, start, big=big)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = {tag.code: tag for tag in file.pages.first.tags}
        assert set(entries) == set(tags)
        for code, entry in entries.items():
            assert entry.kind == int(tags[code].dtype)
            assert entry.value_place == tags[code].valueoffset
            assert entry.size == tags[code].valuebytecount


def test_added_fields_stand_in_the_place_of_the_old_and_pixels_stay():
    file = bytearray(tiff(deep(), photometric='rgb', description='before', metadata=None))
    file += b'?' * (1 - len(file) % 2)
    assert len(file) % 2
    below = {0x9003: (2, b'2020:01:02 03:04:05\0')}
    add_fields(file, {270: (2, b'after\0'), 700: (1, b'<x/>-'), 0x8769: below})
    with tifffile.TiffFile(io.BytesIO(bytes(file))) as read:
        tags = read.pages.first.tags
        assert (tags.valueof(270), tags.valueof(700)) == ('after', b'<x/>-')
        assert tags.valueof(0x8769) == {'DateTimeOriginal': '2020:01:02 03:04:05'}
        np.testing.assert_array_equal(read.asarray(), deep())


@pytest.mark.parametrize('options', [{'bigtiff': True}, {'byteorder': '>'}], ids=str)
def test_nothing_is_added_to_what_no_writer_of_ours_makes(options):
    with pytest.raises(ValueError, match='above 4 GB, to which nothing can be added'):
        add_fields(bytearray(tiff(deep(), **options)), {})


@pytest.mark.parametrize('pointer', sorted(POINTERS))
def test_a_directory_that_points_back_at_itself_ends(pointer):
    entries = [(0x0112, 3, short('<', 6)), (pointer, 4, long('<', 8))]
    fields = fields_of(header('<') + ifd('<', 8, entries), drop=())
    assert fields[0x0112] == fields[pointer][0x0112] == (3, b'\6\0')
