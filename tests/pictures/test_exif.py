"""Blocks laid out by hand, changed in place, and read again by Pillow."""

import pytest

from irbox.pictures.exif import ExifBlock
from support.tiff_blocks import camera_block, header, ifd, long, read_by_pillow, short

ORDERS = pytest.mark.parametrize('order', ['<', '>'])


@ORDERS
@pytest.mark.parametrize('turned', [False, True])
def test_upright_changes_these_values_and_no_other_byte(order, turned):
    data = camera_block(order)
    block = ExifBlock(data)
    assert block.orientation == 6
    block.make_upright(70000, 20, turned=turned)
    own, below, position, _ = read_by_pillow(bytes(block.data))
    first = read_by_pillow(data)
    # A field of two bytes cannot tell more than 65535.
    assert (own[0x0100], own[0x0101], below[0xA002], below[0xA003]) == (70000, 20, 65535, 20)
    assert own[0x0112] == 1
    assert (own[0x011A], own[0x011B]) == ((144, 72) if turned else (72, 144))
    assert own[0x010F] == 'Maker & Co' and position == first[2]
    assert len(block.data) == len(data)
    changed = sum(a != b for a, b in zip(data, block.data, strict=True))
    assert changed <= 2 + 4 + 4 + 2 + 4 + 2 * turned
    place = data.index(b'maker notes')
    assert block.data[place : place + 30] == data[place : place + 30]


@ORDERS
def test_the_position_is_gone_and_the_rest_is_where_it_was(order):
    data = camera_block(order, thumbnail=b'\xff\xd8thumb')
    block = ExifBlock(data)
    block.remove_gps()
    own, below, position, thumbnail = read_by_pillow(bytes(block.data))
    first = read_by_pillow(data)
    assert position == {} and long(order, 52, 1, 30, 1) not in block.data
    assert own == {tag: value for tag, value in first[0].items() if tag != 0x8825}
    assert (below, thumbnail) == (first[1], first[3])
    again = bytes(block.data)
    block.remove_gps()
    assert block.data == again
    # The next directory is still found: by way of it the thumbnail is taken out.
    block.replace_thumbnail(lambda limit: None, 1 << 16)
    assert read_by_pillow(bytes(block.data))[3] == {} and b'thumb' not in block.data


OLD = b'\xff\xd8the old one'
LIMIT = 700


@ORDERS
@pytest.mark.parametrize('new', [b'new', b'new, and longer than the old one', None])
@pytest.mark.parametrize('tail', [b'', b'behind it'])
def test_a_thumbnail_in_the_place_of_the_old_one(order, tail, new):
    block, limits = ExifBlock(camera_block(order, thumbnail=OLD, tail=tail)), []
    size = len(block.data)
    block.replace_thumbnail(lambda limit: limits.append(limit) or new, LIMIT)
    # At the end it may grow into what is left; else there is room behind the block.
    assert limits == [LIMIT - size if tail else LIMIT - size + len(OLD)]
    data = bytes(block.data)
    assert OLD not in data and tail in data and len(data) <= LIMIT
    thumbnail = read_by_pillow(data)[3]
    if new is None:
        assert thumbnail == {}
        return
    start = thumbnail[0x0201]
    assert data[start : start + thumbnail[0x0202]] == new and thumbnail[0x0112] == 1


def test_a_second_directory_without_a_thumbnail_is_left_behind():
    data = header('<') + ifd('<', 8, [(0x0112, 3, short('<', 6))], following=26)
    block = ExifBlock(data + ifd('<', 26, [(0x0103, 3, short('<', 6))]))
    block.replace_thumbnail(lambda limit: pytest.fail('nothing to replace'), 100)
    assert read_by_pillow(bytes(block.data))[3] == {}


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'Exif\0\0II*\0', 'no TIFF structure'),
        (b'II*\0', 'ends too early'),
        (b'II+\0\x08\0\0\0' + bytes(12), 'a form that EXIF does not know'),
        (header('<') + ifd('<', 8, [(0x010F, 2, b'Maker & Co')])[:-1], 'lie outside of it'),
        (header('>', first=99) + bytes(20), 'ends too early'),
    ],
)
def test_what_is_no_block_is_refused(data, reason):
    with pytest.raises(ValueError, match=reason):
        ExifBlock(data)


def test_a_thumbnail_outside_of_the_block_is_refused():
    block = ExifBlock(camera_block(thumbnail=OLD)[:-1])
    with pytest.raises(ValueError, match='thumbnail lies outside'):
        block.replace_thumbnail(lambda limit: None, 100)


@pytest.mark.parametrize('entry', [(0x0112, 2, b'6\0'), (0x0111, 3, short('<', 6))])
def test_an_orientation_that_is_not_said(entry):
    assert ExifBlock(header('<') + ifd('<', 8, [entry])).orientation is None
