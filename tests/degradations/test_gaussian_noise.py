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


def test_unclipped_noise_is_left_as_it_is():
    """The same noise, before it is clipped and cut to 8 bits."""
    image = np.random.default_rng(1).random((64, 64, 3), dtype=np.float32)
    plain, free = (
        GaussianNoise(50, clip=clip)(image, np.random.default_rng(0)) for clip in (True, False)
    )
    assert free.dtype == np.float32 and free.min() < 0 and free.max() > 1
    rng = np.random.default_rng(0)
    rng.integers(1)
    wanted = image + 50 / 255 * rng.standard_normal(image.shape, dtype=np.float32)
    np.testing.assert_allclose(free, wanted, atol=1e-6)
    whole = np.floor(255 * free.clip(0, 1) + 1e-3)
    assert (np.rint(255 * plain) == whole).mean() > 0.99


def test_unclipped_noise_has_the_published_distance():
    """PSNR of noise of 15, 25 and 50 is 20 log10(255 / sigma), whatever the image."""
    for sigma, wanted in ((15, 24.61), (25, 20.17), (50, 14.15)):
        answer = GaussianNoise(sigma, clip=False)(grey(250), np.random.default_rng(0))
        psnr = -10 * np.log10(np.mean((answer - grey(250)) ** 2, dtype=np.float64))
        assert psnr == pytest.approx(wanted, abs=0.03)
    clipped = GaussianNoise(50)(grey(250), np.random.default_rng(0))
    assert -10 * np.log10(np.mean((clipped - grey(250)) ** 2)) > 16


def test_each_channel_has_its_own_strength():
    noise = GaussianNoise((0, 50), between=True, per_channel=True)
    found = noise(grey(), np.random.default_rng(3)).std((0, 1)) * 255
    assert np.ptp(found) > 5
    chosen = GaussianNoise((10, 40), per_channel=True)
    deviations = [chosen(grey(), np.random.default_rng(i)).std((0, 1)) * 255 for i in range(6)]
    assert {int(round(v, -1)) for v in np.concatenate(deviations)} == {10, 40}
    assert any(np.ptp(one) > 20 for one in deviations)


@pytest.mark.parametrize('sigma', [[], -1, [15, -2], 'a', None, [15, '25'], float('inf')])
def test_refuses_what_is_no_deviation(sigma):
    with pytest.raises(ValueError, match=r'GaussianNoise\.sigma(\.1)?: '):
        TRANSFORMS.build({'type': 'GaussianNoise', 'sigma': sigma})


def test_noise_of_a_seed_is_that_of_restormers_test():
    """Written as there: numpy's global generator, seeded before each image."""
    degrade = GaussianNoise(25, clip=False, fixed_seed=0)
    for side in (16, 24):
        image = np.float32(np.random.default_rng(side).random((side, 32, 3)))
        state = np.random.get_state()
        np.random.seed(seed=0)
        expected = image + np.random.normal(0, 25 / 255.0, image.shape)
        np.random.set_state(state)
        for seed in (0, 1):
            found = degrade(image, np.random.default_rng(seed))
            np.testing.assert_allclose(found, expected, atol=1e-6)
