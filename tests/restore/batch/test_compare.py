import numpy as np
import pytest

from irbox.restore.batch.compare import LONGEST, comparison, model_sheet


def picture(value, height=40, width=60, dtype=np.uint8):
    return np.full((height, width, 3), value, dtype)


def test_a_comparison_has_a_column_for_each_and_the_difference():
    two = comparison(picture(50), picture(90))
    three = comparison(picture(50), picture(90), picture(100))
    assert three.width > two.width
    # 40 levels of 255, four times as large, somewhere on the sheet.
    assert (np.asarray(two) == 160).all(-1).sum() >= 40 * 60


def test_depths_mix():
    sheet = comparison(picture(128), picture(128 * 257, dtype=np.uint16), picture(0.5, dtype=float))
    assert (np.asarray(sheet) == 128).all(-1).sum() >= 3 * 40 * 60 * 0.99


def test_large_pictures_are_shrunk():
    sheet = comparison(picture(1, 2, 4000), picture(2, 2, 4000))
    assert sheet.width < 4 * LONGEST


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='degraded 60x40, restored 50x40'):
        comparison(picture(1), picture(1, width=50))


def test_answers_of_several_models_stand_side_by_side():
    sheet = model_sheet(picture(10), {'a': picture(200), 'b': picture(100)})
    for value in (10, 200, 100):
        assert (np.asarray(sheet) == value).all(-1).sum() >= 40 * 60
