import numpy as np
import pytest

from irbox.degradations import GaussianNoise
from irbox.registry import TRANSFORMS


def grey(value=128, side=256):
    return np.full((side, side, 3), value / 255, dtype=np.float32)


def noisy(sigma, image, seed=0):
    return 255 * GaussianNoise(sigma)(image, np.random.default_rng(seed))


def test_truncates_instead_of_rounding():
    """Half a grey level is lost on average, and every value is a whole one."""
    result = noisy(25, grey())
    np.testing.assert_allclose(result, np.rint(result), atol=1e-4)
    assert (result - 128).mean() == pytest.approx(-0.5, abs=0.15)
    assert (result - 128).std() == pytest.approx(25, rel=0.02)


def test_no_noise_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.float32) / 255
    np.testing.assert_array_equal(noisy(0, image), image * 255)


def test_clips():
    assert noisy(50, grey(0)).min() == 0
    assert noisy(50, grey(255)).max() == 255
    assert np.mean(noisy(50, grey(0)) == 0) == pytest.approx(0.508, abs=0.01)


def test_chooses_one_sigma_per_image():
    deviations = [noisy([10, 40], grey(side=48), seed).std() for seed in range(20)]
    assert {round(value, -1) for value in deviations} == {10, 40}


def test_between_draws_any_sigma():
    noise = GaussianNoise((0, 50), between=True)
    found = [255 * noise(grey(), np.random.default_rng(seed)).std() for seed in range(40)]
    assert len({round(value, 1) for value in found}) > 30
    assert min(found) < 8
    assert 42 < max(found) < 51
    assert np.mean(found) == pytest.approx(25, abs=5)


@pytest.mark.parametrize('sigma', [[], -1, [15, -2], 'a', None, [15, '25'], float('inf')])
def test_refuses_what_is_no_deviation(sigma):
    with pytest.raises(ValueError, match=r'GaussianNoise\.sigma(\.1)?: '):
        TRANSFORMS.build({'type': 'GaussianNoise', 'sigma': sigma})
