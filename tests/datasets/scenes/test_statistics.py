import numpy as np
import pytest

from irbox.datasets.scenes.power_noise import power_noise
from irbox.datasets.scenes.scene_generator import SceneGenerator
from irbox.datasets.scenes.statistics import picture_statistics, spectrum_slope
from irbox.datasets.scenes.statistics_figure import draw_figure


@pytest.fixture(scope='module')
def measured():
    generator = SceneGenerator(160)
    return [picture_statistics(generator.draw(number).image) for number in range(16)]


@pytest.mark.parametrize('slope', [0.0, 1.0, 2.0, 3.0])
def test_noise_has_the_slope_that_was_asked_for(slope):
    noise = power_noise(np.random.default_rng(0), 256, slope)[0]
    assert spectrum_slope(noise) == pytest.approx(slope, abs=0.15)


def test_statistics_of_what_is_known():
    flat = picture_statistics(np.full((32, 32, 3), (200, 100, 100), np.uint8))
    assert flat.smooth_share == 1
    # The darkest channel is 100 of 255, in the 13th of 32 bins.
    assert flat.dark_channel.argmax() == 12
    assert flat.dark_channel.max() == flat.brightness.max() == 1
    rng = np.random.default_rng(0)
    noise = picture_statistics(rng.integers(100, 156, (64, 64, 1), np.uint8).repeat(3, 2))
    assert noise.gradient_kurtosis == pytest.approx(-0.6, abs=0.3)  # a difference of uniforms
    assert noise.smooth_share < 0.1
    assert noise.chroma[0] == 1


@pytest.mark.slow
def test_scenes_are_like_photographs(measured):
    """Bounds around what the five training photographs have, see docs/scenes.md."""

    def middle(name):
        return np.median([getattr(one, name) for one in measured])

    def mean(name):
        return np.mean([getattr(one, name) for one in measured], axis=0)

    assert 1.7 < middle('spectrum_slope') < 3.2
    assert 8 < middle('gradient_kurtosis') < 120
    assert 0.1 < middle('smooth_share') < 0.8
    places = (np.arange(32) + 0.5) / 32
    assert 0.1 < mean('dark_channel') @ places < 0.35
    assert 0.3 < mean('brightness') @ places < 0.55
    assert 0.12 < mean('chroma') @ places < 0.32
    # Bright and dark are there, none of them takes all.
    assert mean('brightness')[:4].sum() > 0.03
    assert mean('brightness')[-4:].sum() > 0.01
    assert mean('brightness').max() < 0.25


@pytest.mark.slow
def test_some_scenes_have_nothing_dark_and_some_nothing_bright(measured):
    dark = [one.brightness[:6].sum() for one in measured]
    bright = [one.brightness[20:].sum() for one in measured]
    assert min(dark) < 0.01
    assert min(bright) < 0.01
    assert max(dark) > 0.4
    assert max(bright) > 0.2


def test_the_figure_is_drawn(tmp_path):
    pytest.importorskip('matplotlib')
    rng = np.random.default_rng(0)
    noise = [picture_statistics(rng.integers(0, 256, (48, 48, 3), np.uint8)) for _ in range(4)]
    draw_figure({'one': noise[:2], 'two': noise[2:]}, tmp_path / 'new' / 'figure.png')
    assert (tmp_path / 'new' / 'figure.png').stat().st_size > 5000
