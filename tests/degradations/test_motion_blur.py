import numpy as np
import pytest
from scipy import ndimage

from irbox.degradations import MotionBlur


def test_equals_a_convolution_in_linear_light():
    image = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    blur = MotionBlur()
    kernel = blur._kernel(np.random.default_rng(7))
    expected = np.stack(
        [ndimage.correlate(image[..., c] ** 2.2, kernel, mode='reflect') for c in range(3)], axis=2
    ) ** (1 / 2.2)
    result = blur(image, np.random.default_rng(7))
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_kernel_is_a_thin_centred_path_of_the_drawn_length():
    for seed in range(30):
        kernel = MotionBlur(length=18)._kernel(np.random.default_rng(seed))
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.min() >= 0
        rows, columns = np.nonzero(kernel)
        assert 8 < np.hypot(np.ptp(rows), np.ptp(columns)) < 22
        assert np.count_nonzero(kernel) < 80


def test_a_path_of_no_length_changes_nothing():
    image = np.random.default_rng(0).random((12, 12, 3), dtype=np.float32)
    result = MotionBlur(length=0)(image, np.random.default_rng(0))
    np.testing.assert_allclose(result, image, atol=1e-5)


def test_too_long_a_path_is_refused():
    with pytest.raises(ValueError, match='at most 18'):
        MotionBlur(length=(5, 30))


def test_noise_below_black_counts_as_black():
    """As ``GaussianNoise(clip=False)`` leaves it."""
    image = np.random.default_rng(0).normal(0, 0.1, (12, 12, 3)).astype(np.float32)
    result = MotionBlur()(image, np.random.default_rng(0))
    np.testing.assert_array_equal(result, MotionBlur()(image.clip(0), np.random.default_rng(0)))
