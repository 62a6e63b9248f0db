import numpy as np
import pytest
import torch
from PIL import Image

from irbox.restore.masks import read_mask


def square():
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:50, 20:60] = True
    return mask


@pytest.mark.parametrize(
    'make',
    [
        lambda m: m,
        lambda m: m.astype(np.uint8) * 255,
        lambda m: m.astype(np.float32),
        lambda m: torch.from_numpy(m)[None],
        lambda m: Image.fromarray(m.astype(np.uint8) * 255),
    ],
)
def test_every_kind_of_mask(make):
    mask = square()
    soft = read_mask(make(mask), mask.shape)
    assert soft.dtype == np.uint8
    assert soft[30, 40] == 255
    assert not soft[~mask].any()


def test_uint8_of_ones_is_refused():
    mask = square().astype(np.uint8)
    for given in (mask, torch.from_numpy(mask), Image.fromarray(mask)):
        with pytest.raises(ValueError, match='edit_mask: .*Give bool, or 0 and 255'):
            read_mask(given, mask.shape, 'edit_mask')
    assert not read_mask(0 * mask, mask.shape).any()


def test_edges_are_soft_inside():
    mask = square()
    soft = read_mask(mask, mask.shape).astype(int)
    row = soft[30, 20:40]
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() < 64
    assert row[0] < 64
    assert row[9] == 255


def test_a_mask_with_grays_is_taken_as_it_is(tmp_path):
    mask = np.tile(np.arange(80, dtype=np.uint8), (60, 1))
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    assert np.array_equal(read_mask(tmp_path / 'mask.png', (60, 80)), mask)


@pytest.mark.parametrize(
    ('mask', 'text'),
    [
        (np.ones((3, 4), bool), 'is of 3x4, the image of 60x80'),
        (np.full((60, 80), 2.0), 'in 0 to 1'),
        (np.ones((60, 80), int), 'int64 is no type'),
        ('nothing.png', 'cannot be read'),
    ],
)
def test_what_is_no_mask_is_refused(mask, text):
    with pytest.raises(ValueError, match=text):
        read_mask(mask, (60, 80))
