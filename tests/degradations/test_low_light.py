import numpy as np
import pytest

from irbox.degradations import LowLight


def test_against_a_slow_reference():
    image = np.random.default_rng(0).random((20, 22, 3), dtype=np.float32)
    result = LowLight(gamma=2.5, noise=0)(image, np.random.default_rng(0))

    def brightest(y, x):
        return image[y - 2 : y + 3, x - 2 : x + 3].max()

    for y, x in ((6, 6), (9, 13), (13, 15)):
        top = np.mean([brightest(y + i, x + j) for i in range(-4, 5) for j in range(-4, 5)])
        light = 0.3 * top + 0.7 * image[y - 1 : y + 2, x - 1 : x + 2].mean()
        np.testing.assert_allclose(result[y, x], image[y, x] * light**1.5, rtol=1e-4)


def test_darkens_and_keeps_black_finite():
    image = np.random.default_rng(0).random((20, 22, 3), dtype=np.float32)
    assert (LowLight(noise=0)(image, np.random.default_rng(0)) <= image).all()
    assert np.isfinite(LowLight()(image * 0, np.random.default_rng(0))).all()


def test_noise_has_the_drawn_strength():
    image = np.full((128, 128, 3), 0.7, dtype=np.float32)
    result = LowLight(gamma=1.5, noise=0.05)(image, np.random.default_rng(0))
    assert result.std() == pytest.approx(0.05, rel=0.03)


def test_gamma_below_one_is_refused():
    with pytest.raises(ValueError, match='gamma='):
        LowLight(gamma=0.5)
