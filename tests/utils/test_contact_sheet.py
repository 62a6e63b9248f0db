import numpy as np
import pytest

from irbox.utils.contact_sheet import GAP, MARGIN, contact_sheet


def plain(colour, height=40, width=60):
    return np.full((height, width, 3), colour, dtype=np.float32)


def test_places_images_on_white():
    rows = [[plain((1, 0, 0)), plain((0, 1, 0))], [plain((0, 0, 1), 30, 50)]]
    sheet = contact_sheet(rows, [['', ''], ['']])
    pixels = np.asarray(sheet)
    assert sheet.mode == 'RGB'
    assert sheet.size == (2 * MARGIN + 2 * 60 + GAP, 2 * MARGIN + 40 + GAP + 30)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[MARGIN, MARGIN].tolist() == [255, 0, 0]
    assert pixels[MARGIN, MARGIN + 60 + GAP].tolist() == [0, 255, 0]
    assert pixels[MARGIN + 40 + GAP + 29, MARGIN + 49].tolist() == [0, 0, 255]
    assert pixels[MARGIN + 39, MARGIN + 60 + GAP // 2].tolist() == [255, 255, 255]


def test_values_are_clipped_and_rounded():
    image = np.array([[[-0.5, 1.5, 0.5]]], dtype=np.float64)
    assert np.asarray(contact_sheet([[image]], [['']]))[MARGIN, MARGIN].tolist() == [0, 255, 128]


def test_captions_and_headers_take_room_and_leave_ink():
    bare = contact_sheet([[plain(1.0)]], [['']])
    captioned = contact_sheet([[plain(1.0)]], [['haze']])
    both = contact_sheet([[plain(1.0)]], [['haze']], ['degraded'])
    assert bare.size[0] == captioned.size[0] == both.size[0]
    assert bare.size[1] < captioned.size[1] < both.size[1]
    assert np.asarray(bare).min() == 255
    assert np.asarray(captioned)[MARGIN + 40 :].min() < 200
    assert np.asarray(both)[MARGIN : MARGIN + 20].min() < 200


def test_long_captions_are_broken_instead_of_running_into_the_next_image():
    rows = [[plain(1.0, 40, 120), plain(1.0, 40, 120)]]
    long = contact_sheet(rows, [['one two three four five six seven eight nine ten', '']])
    short = contact_sheet(rows, [['one', '']])
    assert long.size[0] == short.size[0]
    assert long.size[1] > short.size[1] + 20
    assert np.asarray(long)[:, MARGIN + 120 + GAP :].min() == 255


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (([], []), 'at least one image'),
        (([[]], [[]]), 'at least one image'),
        (([[plain(1.0)]], [['a', 'b']]), 'one caption per image'),
        (([[plain(1.0)]], []), 'one caption per image'),
        (([[plain(1.0)]], [['']], ['a', 'b']), '2 headers do not match 1 columns'),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(*arguments)
