import numpy as np
import pytest

from irbox.degradations import SensorNoise, Underexposure


def grey(light, side=256):
    return np.full((side, side, 3), light ** (1 / 2.2), dtype=np.float32)


@pytest.mark.parametrize(('light', 'electrons', 'read'), [(0.3, 200, 0), (0.5, 1000, 20)])
def test_mean_and_variance_in_linear_light(light, electrons, read):
    """Of a Poisson count of p x electrons, read with an error of r: x and x / p + (r / p)^2."""
    result = (
        SensorNoise(electrons, read)(grey(light), np.random.default_rng(0)).astype(float) ** 2.2
    )
    rng = np.random.default_rng(1)
    counted = rng.poisson(electrons * light, result.shape) + rng.normal(0, read, result.shape)
    assert result.mean() == pytest.approx(light, rel=0.01)
    assert result.var() == pytest.approx((counted / electrons).var(), rel=0.02)


def test_fewer_electrons_are_noisier_and_the_dark_is_the_noisiest():
    def deviation(light, electrons):
        return SensorNoise(electrons, 2)(grey(light), np.random.default_rng(0)).std()

    assert deviation(0.3, 4000) < 0.5 * deviation(0.3, 400) < 0.25 * deviation(0.3, 50)
    assert deviation(0.8, 200) < deviation(0.2, 200) < deviation(0.05, 200)


def test_electrons_are_drawn_between_the_bounds():
    found = [
        SensorNoise((50, 5000), 0)(grey(0.5, 64), np.random.default_rng(seed)).std()
        for seed in range(60)
    ]
    least, most = (
        SensorNoise(electrons, 0)(grey(0.5, 64), np.random.default_rng(0)).std()
        for electrons in (5000, 50)
    )
    assert 0.9 * least < min(found) < 1.6 * least
    assert 0.6 * most < max(found) < 1.1 * most
    # Uniform in the logarithm: the middle is the geometric mean.
    assert np.median(found) == pytest.approx((least * most) ** 0.5, rel=0.5)


def test_a_stop_halves_the_light():
    image = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    result = Underexposure(stops=3)(image, np.random.default_rng(0))
    np.testing.assert_allclose(result**2.2, image**2.2 / 8, rtol=1e-4)
