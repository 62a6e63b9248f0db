import numpy as np
import pytest
import torch
from PIL import Image

from irbox.restore.arrays import open_image


def through(image, kept=None):
    """What comes back when the network answers with what it got."""
    pixels = open_image(image)
    out = np.empty_like(pixels.values)
    kept = np.zeros(pixels.size, dtype=bool) if kept is None else kept
    for top in range(0, pixels.size[0], 4):
        rows = slice(top, top + 4)
        pixels.put(out, top, pixels.colors(rows), kept[rows])
    return pixels, pixels.close(out)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize('shape', [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4), (1, 1), (1, 1, 3)])
def test_arrays_come_back_as_they_were(dtype, shape):
    rng = np.random.default_rng(0)
    values = rng.random(shape)
    image = values * np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else values
    image = image.astype(dtype)
    pixels, answer = through(image)
    assert pixels.size == shape[:2]
    assert answer.dtype == dtype
    assert answer.shape == shape
    np.testing.assert_allclose(answer, image, atol=0 if dtype in (np.uint8, np.uint16) else 1e-6)


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGB', 'RGBA', 'I;16'])
def test_pil_images_come_back_as_they_were(mode):
    rng = np.random.default_rng(0)
    depth = {'LA': 2, 'RGB': 3, 'RGBA': 4}.get(mode, 1)
    dtype = np.uint16 if mode == 'I;16' else np.uint8
    values = rng.integers(0, 255, (9, 7, depth)).astype(dtype)
    image = Image.fromarray(values[..., 0] if depth == 1 else values)
    image.info['dpi'] = (300, 300)
    assert image.mode == mode
    _, answer = through(image)
    assert answer.mode == mode
    assert answer.size == image.size
    assert answer.info['dpi'] == (300, 300)
    assert np.array_equal(np.asarray(answer), np.asarray(image))


@pytest.mark.parametrize(('mode', 'becomes'), [('P', 'RGB'), ('CMYK', 'RGB'), ('1', 'L')])
def test_other_modes_are_converted_with_a_note(mode, becomes):
    image = Image.new('RGB', (5, 4), (255, 0, 0)).convert(mode)
    pixels, answer = through(image)
    assert answer.mode == becomes
    assert pixels.notes == [f'converted from {mode} to {becomes}']


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_tensors_come_back_as_they_were(dtype, channels):
    image = torch.rand(channels, 9, 7)
    image = (image * 255 if dtype == torch.uint8 else image).to(dtype)
    _, answer = through(image)
    assert answer.dtype == dtype
    torch.testing.assert_close(answer, image, atol=1e-6 if dtype.is_floating_point else 0, rtol=0)


def test_a_profile_of_other_numbers_is_left_out():
    for mode, kept in (('CMYK', False), ('LAB', False), ('RGB', True), ('P', True)):
        image = Image.new(mode, (4, 4))
        image.info = {'icc_profile': b'profile', 'dpi': (72, 72)}
        pixels = open_image(image)
        info = pixels.close(pixels.values).info
        assert ('icc_profile' in info) == kept and info['dpi'] == (72, 72)
        assert 'icc_profile' in image.info, 'the image given stays as it is'


def test_kept_pixels_stay_to_the_bit():
    image = np.random.default_rng(0).random((8, 6)).astype(np.float32)
    kept = np.zeros((8, 6), dtype=bool)
    kept[2:5, 1:3] = True
    _, answer = through(image, kept)
    assert np.array_equal(answer[kept], image[kept])


@pytest.mark.parametrize(
    ('image', 'error', 'text'),
    [
        (np.zeros((4, 4, 5), np.uint8), ValueError, r'of shape \(4, 4, 5\) is no image'),
        (np.zeros((4,), np.uint8), ValueError, 'is no image'),
        (np.zeros((0, 4, 3), np.uint8), ValueError, 'is no image'),
        (np.zeros((4, 4), np.int64), ValueError, 'holds int64. Give uint8'),
        (np.full((4, 4, 3), 200.0), ValueError, 'divide by 255'),
        (np.full((4, 4, 3), np.nan), ValueError, 'not finite'),
        (torch.zeros(2, 4, 4), ValueError, r'must be \(3, H, W\)'),
        (Image.new('F', (4, 4)), ValueError, 'mode F'),
        (3, TypeError, 'A int is no image'),
        (None, TypeError, 'A NoneType is no image'),
    ],
)
def test_what_is_no_image_is_refused(image, error, text):
    with pytest.raises(error, match=text):
        open_image(image)
