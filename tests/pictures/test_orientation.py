import numpy as np
import pytest

from irbox.pictures.orientation import exchanges_sides, upright
from irbox.pictures.picture import Picture

# EXIF: the side of the upright picture where the stored row 0 is, and that of column 0.
SIDES = {
    1: ('top', 'left'),
    2: ('top', 'right'),
    3: ('bottom', 'right'),
    4: ('bottom', 'left'),
    5: ('left', 'top'),
    6: ('right', 'top'),
    7: ('right', 'bottom'),
    8: ('left', 'bottom'),
}


def side(values, name):
    return {'top': values[0], 'bottom': values[-1], 'left': values[:, 0], 'right': values[:, -1]}[
        name
    ]


@pytest.mark.parametrize('channels', [(), (3,)])
@pytest.mark.parametrize('orientation', SIDES)
def test_rows_and_columns_are_where_exif_says(orientation, channels):
    stored = np.arange(6 * np.prod(channels, dtype=int)).reshape(2, 3, *channels)
    turned = upright(stored, orientation)
    row, column = SIDES[orientation]
    exchanged = row in ('left', 'right')
    assert exchanges_sides(orientation) == exchanged
    assert turned.shape[:2] == ((3, 2) if exchanged else (2, 3))
    for name, line, end in ((row, stored[0], column), (column, stored[:, 0], row)):
        # A side is read from its top or left: backwards where the other line is at its far end.
        found = side(turned, name)
        np.testing.assert_array_equal(found[::-1] if end in ('bottom', 'right') else found, line)
    assert turned.flags.c_contiguous


@pytest.mark.parametrize('orientation', [0, 1, 9, -1])
def test_other_numbers_mean_that_nothing_is_turned(orientation):
    stored = np.zeros((2, 3))
    assert upright(stored, orientation) is stored and not exchanges_sides(orientation)


def test_a_picture_gives_width_before_height():
    picture = Picture(np.zeros((2, 3, 3)), None, [], 'a', '', 'PNG', gray=False)
    assert picture.size == (3, 2)
    other = Picture(np.zeros((1, 1, 3)), None, [], 'b', '', 'PNG', gray=False)
    other.metadata.chunks.append((b'tEXt', b''))
    assert picture.metadata.chunks == []
