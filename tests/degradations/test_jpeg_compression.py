from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from irbox.datasets.photographs import photograph
from irbox.degradations import JPEGCompression


@pytest.fixture(scope='module')
def pixels():
    return np.asarray(photograph('coffee').image)[100:197, 200:330]


@pytest.fixture(scope='module')
def image(pixels):
    return pixels.astype(np.float32) / 255


def compress(image, seed=0, **options):
    return JPEGCompression(**options)(image, np.random.default_rng(seed))


@pytest.mark.parametrize(('subsampling', 'number'), [('4:4:4', 0), ('4:2:0', 2)])
def test_is_the_file(pixels, image, subsampling, number):
    file = BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG', quality=30, subsampling=number)
    result = compress(image, quality=30, subsampling=subsampling, aligned=True)
    np.testing.assert_array_equal(np.rint(255 * result), np.asarray(Image.open(file)))


def test_lower_quality_is_farther_from_the_image(image):
    errors = [np.abs(compress(image, quality=q) - image).mean() for q in (95, 70, 40, 20)]
    assert errors == sorted(errors)


def test_quality_is_drawn_from_the_range(image):
    errors = [
        np.abs(compress(image, seed, quality=(20, 95), subsampling='4:2:0', aligned=True) - image)
        for seed in range(12)
    ]
    least, most = (
        np.abs(compress(image, quality=q, subsampling='4:2:0', aligned=True) - image).mean()
        for q in (95, 20)
    )
    means = [one.mean() for one in errors]
    assert len(set(means)) > 8
    assert least <= min(means) < max(means) <= most


def test_squares_begin_anywhere_unless_aligned(image):
    """Steps between neighbours are largest between squares: at multiples of 8, or moved."""

    def phase(result):
        steps = np.abs(np.diff(result.mean(axis=2), axis=1)).mean(axis=0)
        return np.argmax([steps[start::8].mean() for start in range(8)])

    smooth = np.linspace(0.2, 0.8, 128, dtype=np.float32)[None, :, None].repeat(64, 0).repeat(3, 2)
    smooth = smooth + 0.03 * np.random.default_rng(0).random(smooth.shape, dtype=np.float32)
    assert {phase(compress(smooth, seed, quality=5, aligned=True)) for seed in range(4)} == {7}
    assert len({phase(compress(smooth, seed, quality=5)) for seed in range(12)}) > 3


def test_mistakes_are_named():
    with pytest.raises(ValueError, match='95 at most'):
        JPEGCompression(quality=(30, 100))
