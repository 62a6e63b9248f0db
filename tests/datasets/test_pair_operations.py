import numpy as np
import pytest
import torch
from PIL import Image

from irbox.datasets.pair_operations import (
    AUGMENTATIONS,
    center_crop,
    dihedral,
    enlarge,
    match_sizes,
    random_crop,
    resized,
    to_multiple,
    to_tensor,
)


def numbered(height, width, start=0):
    """An image whose red channel tells the row and whose green channel tells the column."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = start + np.arange(height)[:, None]
    image[..., 1] = start + np.arange(width)[None]
    return image


def test_dihedral_modes_are_the_eight_symmetries():
    image = numbered(4, 5)
    results = [dihedral(image, mode) for mode in range(8)]
    np.testing.assert_array_equal(results[0], image)
    assert len({result.tobytes() for result in results}) == 8
    np.testing.assert_array_equal(results[2], image[::-1, ::-1])
    np.testing.assert_array_equal(results[4], image[:, ::-1])
    np.testing.assert_array_equal(results[6], image[::-1])
    assert dihedral(image[..., 0], 1).shape == (5, 4)


def test_flips_are_the_symmetries_that_keep_the_shape():
    image = numbered(4, 5)
    assert all(dihedral(image, mode).shape == image.shape for mode in AUGMENTATIONS['flips'])


def test_what_is_drawn_without_the_identity_always_changes_something():
    image = numbered(5, 5)
    moved = [dihedral(image, mode) for mode in AUGMENTATIONS['dihedral_moved']]
    assert len({result.tobytes() for result in [image, *moved]}) == 8


def test_resized():
    image = Image.fromarray(numbered(40, 60))
    assert resized(image, (60, 40)) is image
    wanted = image.resize((72, 48), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(resized(image, [72, 48])), np.asarray(wanted))


def test_match_sizes():
    first, second = numbered(10, 12), numbered(12, 12)
    assert match_sizes(first, first, 'error', 'x')[0] is first
    with pytest.raises(ValueError, match='x.png: the degraded image is 12x10, the clean one 12x12'):
        match_sizes(first, second, 'error', 'x.png')
    degraded, clean = match_sizes(first, second, 'center_crop_to_min', 'x')
    np.testing.assert_array_equal(degraded, first)
    np.testing.assert_array_equal(clean, second[1:11])
    degraded, clean = match_sizes(first, second, 'resize_clean_to_input', 'x')
    assert degraded is first
    assert clean.shape == first.shape
    assert np.abs(clean[..., 1].astype(int) - first[..., 1]).max() <= 1


def test_enlarge_by_reflection_and_by_resizing():
    pair = numbered(6, 20), numbered(6, 20, 50)
    for side, original in zip(enlarge(pair, 9, 'reflect_pad'), pair, strict=True):
        assert side.shape == (9, 20, 3)
        np.testing.assert_array_equal(side[:6], original)
        np.testing.assert_array_equal(side[6:], original[4:1:-1])
    for side in enlarge(pair, 9, 'resize_up'):
        assert side.shape == (9, 20, 3)  # the long side stays
    assert enlarge(pair, 6, 'reflect_pad') == pair


@pytest.mark.parametrize('size', [(1, 1), (2, 5)])
def test_enlarge_from_next_to_nothing(size):
    pair = numbered(*size), numbered(*size)
    assert enlarge(pair, 16, 'reflect_pad')[0].shape == (16, 16, 3)


def test_to_multiple_crops_as_the_published_code():
    """481x321 becomes 480x320: of one row too many none goes at the top, the last is dropped."""
    image = numbered(321, 481)
    first, second = to_multiple((image, image), 16, 'center_crop')
    np.testing.assert_array_equal(first, image[:320, :480])
    np.testing.assert_array_equal(first, second)
    odd = numbered(37, 33)  # five rows too many: two at the top, three at the bottom
    np.testing.assert_array_equal(to_multiple((odd, odd), 16, 'center_crop')[0], odd[2:34, :32])


def test_to_multiple_grows():
    pair = numbered(17, 32), numbered(17, 32)
    for policy in ('reflect_pad', 'resize_up'):
        assert to_multiple(pair, 16, policy)[0].shape == (32, 32, 3)
    exact = numbered(32, 16), numbered(32, 16)
    assert to_multiple(exact, 16, 'resize_up')[0] is exact[0]


def test_to_multiple_scales_long_images_down_first():
    """As TransWeather tests: to 1024 at most, then up to a multiple, in one step."""
    long, short = numbered(50, 100), numbered(40, 41)
    assert to_multiple((long, long), 16, 'resize_up', 64)[0].shape == (32, 64, 3)
    assert to_multiple((long, long), 16, 'resize_up', 60)[0].shape == (32, 64, 3)
    assert to_multiple((short, short), 16, 'resize_up', 64)[0].shape == (48, 48, 3)


def test_to_multiple_refuses_to_crop_to_nothing():
    with pytest.raises(ValueError, match='40x9 cannot be cropped to a multiple of 16'):
        to_multiple((numbered(9, 40), numbered(9, 40)), 16, 'center_crop')


def test_random_crop_cuts_both_alike_and_reaches_everywhere():
    image = numbered(9, 11)
    corners = set()
    for seed in range(200):
        first, second = random_crop((image, image + 100), 7, np.random.default_rng(seed))
        assert first.shape == (7, 7, 3)
        np.testing.assert_array_equal(first[..., :2] + 100, second[..., :2])
        corners.add((int(first[0, 0, 0]), int(first[0, 0, 1])))
    assert corners == {(y, x) for y in range(3) for x in range(5)}


def test_center_crop():
    np.testing.assert_array_equal(center_crop(numbered(7, 8), 4, 4), numbered(7, 8)[1:5, 2:6])


def test_to_tensor():
    image = numbered(3, 4)
    tensor = to_tensor(dihedral(image, 5))
    assert tensor.shape == (3, 4, 3)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert to_tensor(image)[1, 0, 3] == np.float32(3) / np.float32(255)
    floats = image.astype(np.float32) / 255
    tensor = to_tensor(floats)
    floats[:] = 9
    assert tensor.max() < 1
