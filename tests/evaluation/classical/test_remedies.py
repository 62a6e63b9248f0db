"""The classical remedies do what their papers say, and are set by what they are tried on."""

import numpy as np
import pytest
from scipy import ndimage

from irbox.degradations import Haze
from irbox.evaluation.classical import (
    REMEDIES,
    Remedy,
    adaptive_equalization,
    dark_channel,
    gamma_correction,
    guided_filter,
    guided_smoothing,
    median,
    non_local_means,
    richardson_lucy,
    total_variation,
    tune,
    wavelets,
)


def error(image, clean):
    return np.square(image.astype(float) - clean).mean()


@pytest.fixture(scope='module')
def clean():
    """A step, a ramp and a disc in three colours."""
    rows, columns = np.mgrid[:48, :56] / 55
    disc = np.hypot(rows - 0.4, columns - 0.5) < 0.2
    planes = [0.2 + 0.5 * (columns > 0.6), 0.3 + 0.4 * rows, 0.25 + 0.5 * disc]
    return np.stack(planes, axis=2).astype(np.float32)


@pytest.fixture(scope='module')
def noisy(clean):
    noise = np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
    return (clean + noise).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize(
    'remedy',
    {one.name: one for tried in REMEDIES.values() for one in tried}.values(),
    ids=lambda one: one.name,
)
def test_every_remedy_and_setting_gives_an_image(remedy, noisy):
    before = noisy.copy()
    for setting in remedy.settings():
        result = remedy.restore(noisy, **setting)
        assert result.shape == noisy.shape
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1
    np.testing.assert_array_equal(noisy, before)


def test_guided_filter_is_the_mean_of_the_windows_fits():
    """Equations 5, 6 and 8, window by window, away from the border."""
    rng = np.random.default_rng(0)
    guide, values = rng.random((2, 15, 17))
    radius, eps = 2, 0.01
    slope, offset = np.zeros((2, 15, 17))
    for y, x in np.ndindex(11, 13):
        part = slice(y, y + 5), slice(x, x + 5)
        i, p = guide[part], values[part]
        slope[y + 2, x + 2] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + eps)
        offset[y + 2, x + 2] = p.mean() - slope[y + 2, x + 2] * i.mean()
    result = guided_filter(guide, values, radius, eps)
    for y, x in ((4, 4), (7, 8), (10, 12)):
        near = slice(y - 2, y + 3), slice(x - 2, x + 3)
        expected = slope[near].mean() * guide[y, x] + offset[near].mean()
        assert result[y, x] == pytest.approx(expected, abs=1e-9)


def test_guided_filter_keeps_edges_and_smooths_the_rest(noisy, clean):
    result = guided_smoothing(noisy, radius=3, eps=0.02)
    assert error(result, clean) < 0.4 * error(noisy, clean)
    edge = np.abs(np.diff(result[..., 0].mean(axis=0))).max()
    blurred = ndimage.uniform_filter(noisy[..., 0], 7).mean(axis=0)
    assert edge > 2 * np.abs(np.diff(blurred)).max()


@pytest.mark.parametrize(
    ('denoise', 'setting'), [(non_local_means, 0.8), (total_variation, 0.12), (wavelets, 1.3)]
)
def test_denoisers_halve_the_error(noisy, clean, denoise, setting):
    assert error(denoise(noisy, setting), clean) < 0.5 * error(noisy, clean)


def test_dark_channel_finds_airlight_and_transmission():
    """A scene with dark pixels everywhere, under an even haze, comes back."""
    rng = np.random.default_rng(0)
    image = rng.random((60, 60, 3), dtype=np.float32) ** 2
    image[:6, :6] = 0.9  # Something far away has the colour of the air.
    depth = np.full((60, 60), 0.6, dtype=np.float32)
    depth[:6, :6] = 30
    hazy = Haze(beta=1.5, airlight=0.85, depth_cap=50)(image, rng, depth)
    result = dark_channel(hazy, omega=1, patch=9, radius=10)
    inner = slice(20, None), slice(20, None)
    assert error(result[inner], image[inner]) < 0.1 * error(hazy[inner], image[inner])


def test_dark_channel_takes_away_a_share(noisy):
    np.testing.assert_allclose(dark_channel(noisy, omega=0), noisy, atol=1e-5)


def test_richardson_lucy_undoes_the_blur_that_was_guessed(clean):
    blurred = ndimage.gaussian_filter(clean, (1.5, 1.5, 0))
    errors = [error(richardson_lucy(blurred, 1.5, n), clean) for n in (5, 20, 50)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * error(blurred, clean)
    assert error(richardson_lucy(blurred, 4, 20), clean) > errors[-1]


def test_median_takes_thin_streaks_away(clean):
    streaks = clean.copy()
    streaks[:, 4::9] = 1
    assert error(median(streaks, width=3, height=1), clean) < 0.05 * error(streaks, clean)
    by_hand = np.median(streaks[10:13, 20:23].reshape(9, 3), axis=0)
    np.testing.assert_array_equal(median(streaks, 3, 3)[11, 21], by_hand)


def test_brightening(clean):
    dark = clean**2
    np.testing.assert_allclose(gamma_correction(dark, 0.5), clean, atol=1e-6)
    np.testing.assert_allclose(gamma_correction(dark, 0.5, gain=0.5), clean / 2, atol=1e-6)
    result = adaptive_equalization(0.2 * clean, clip_limit=0.03)
    assert result.mean() > 2 * (0.2 * clean).mean()
    assert result.std() > 2 * (0.2 * clean).std()


def test_tuning_finds_the_best_of_the_grid(clean):
    remedy = Remedy('gamma', gamma_correction, {'gamma': (0.3, 0.5, 0.9), 'gain': (0.8, 1.0)})
    setting, value = tune(
        remedy, [(clean**2, clean), ((clean**2).clip(0, 0.5), clean.clip(0, 0.5**0.5))]
    )
    assert setting == {'gamma': 0.5, 'gain': 1.0}
    assert value > 60


def test_there_is_none_for_jpeg_and_drops():
    assert not {'jpeg', 'raindrops'} & set(REMEDIES)
