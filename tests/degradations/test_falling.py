"""Rain and snow between a camera and a scene: what distance, exposure, wind and focus do."""

import numpy as np
import pytest
from skimage.measure import label

from irbox.degradations import RainStreaks, Snowfall
from irbox.degradations.falling import Camera, Particles, coverage, metres
from irbox.degradations.streaks import measure_streaks

DARK = np.full((256, 256, 3), 0.1, dtype=np.float32)
FAR = np.ones((256, 256), dtype=np.float32)
RAIN = {'rainfall': 30, 'focal': 1000, 'surroundings': 5, 'wind': 0, 'aperture': 0}
SNOW = {'flakes': 150, 'focal': 1000, 'wind': 0, 'aperture': 0}


def mask(falling, seed=0, depth=FAR):
    """What falls adds, above the veil of what is too far to be seen."""
    image = falling(DARK, np.random.default_rng(seed), depth)[..., 1]
    return image - np.median(image)


def streaks(falling, seeds=4):
    found = [measure_streaks(mask(falling, seed)) for seed in range(seeds)]
    return [np.concatenate(values) for values in zip(*found, strict=True)]


def one(paths, widths=1.0, opacity=1.0):
    paths = np.array(paths, dtype=float)[None]
    return Particles(paths, np.array([widths]), np.array([opacity]))


def test_a_streak_is_as_long_and_wide_as_it_is_drawn():
    drawn = coverage(one([[100, 40], [110, 200]], widths=5), (256, 256), 0)
    (length,), (width,), (angle,), (area,) = measure_streaks(drawn)
    assert area == pytest.approx(160 * 6, rel=0.1)
    # An even bar has the moments of an ellipse 2 / sqrt(3) times as long.
    assert length == pytest.approx(160 * 2 / 3**0.5, rel=0.03)
    assert width == pytest.approx(6 * 2 / 3**0.5, rel=0.2)
    assert angle == pytest.approx(np.rad2deg(np.arctan(10 / 160)), abs=0.5)


@pytest.mark.parametrize('lean', [3, 10, 40])
def test_a_thin_and_faint_streak_is_in_one_piece(lean):
    drawn = coverage(one([[100, 40], [100 + lean, 200]], 0.3, 0.1), (256, 256), 0)
    # Where it passes from a column to the next, a pixel sees two thirds of it.
    assert label(drawn > 0.6 * drawn.max()).max() == 1


@pytest.mark.parametrize('order', [[0, 1], [1, 0]])
def test_a_faint_streak_does_not_cut_a_bright_one(order):
    paths = np.array([[[128, 40], [128, 200]], [[60, 120], [200, 120]]], dtype=float)[order]
    both = Particles(paths, np.full(2, 4.0)[order], np.array([0.8, 0.1])[order])
    drawn = coverage(both, (256, 256), 0)
    assert drawn[45:195, 128].min() > 0.75


def test_defocus_spreads_a_particle_and_keeps_its_light():
    sharp, blurred = (coverage(one([[60, 64], [68, 64]], 8), (128, 128), b) for b in (0, 24))
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=0.1)
    assert np.sum(blurred > 0.01) > 5 * np.sum(sharp > 0.01)


def test_a_lens_blurs_what_is_not_in_focus():
    camera = Camera(focal=1000, exposure=0.01, focus=4, aperture=0.004)
    assert camera.blur(4) == 0
    assert camera.blur(1) == pytest.approx(0.004 * 1000 * 0.75)
    assert camera.blur(0.5) > camera.blur(1) > camera.blur(100)


def test_layers_fill_the_space_that_is_seen():
    layers = list(Camera(1000, 0.01, 4, 0).layers((200, 300), 20))
    assert [one.distance for one in layers] == sorted(one.distance for one in layers)[::-1]
    expected = 0.2 * 0.3 * (20**3 - 0.25**3) / 3
    assert sum(one.volume for one in layers) == pytest.approx(expected)


def test_depth_in_metres():
    np.testing.assert_allclose(metres(np.array([0, 0.5, 1])), [1, 10, 100], rtol=1e-6)


def test_a_longer_exposure_makes_longer_and_fainter_streaks():
    short, long = (RainStreaks(**RAIN, exposure=time) for time in (1 / 500, 1 / 125))
    lengths = [np.quantile(streaks(rain)[0], 0.8) for rain in (short, long)]
    assert lengths[1] > 1.4 * lengths[0]
    brightest = [np.quantile(mask(rain)[mask(rain) > 0.05], 0.5) for rain in (short, long)]
    assert brightest[0] > brightest[1]


def test_near_rain_is_wider_and_hidden_by_what_is_nearer():
    rain = RainStreaks(**RAIN, exposure=1 / 250)
    near = FAR * 0.0
    assert 0 < np.mean(mask(rain, depth=near) > 0.05) < 0.5 * np.mean(mask(rain) > 0.05)
    half = FAR.copy()
    half[:, 128:] = 0
    covered = np.mean([mask(rain, seed, half) > 0.05 for seed in range(4)], axis=0)
    assert covered[:, :128].mean() > 2 * covered[:, 128:].mean()


def test_rain_falls_and_leans_with_the_wind():
    angles = streaks(RainStreaks(**RAIN, exposure=1 / 200))[2]
    assert np.abs(np.median(angles)) < 3 and np.std(angles) < 12
    windy = RainStreaks(**RAIN | {'wind': 6}, exposure=1 / 200)
    medians = [np.median(measure_streaks(mask(windy, seed)).angles) for seed in range(6)]
    assert np.std(medians) > 8


def test_more_rain_has_more_streaks():
    def covered(rainfall):
        rain = RainStreaks(**RAIN | {'rainfall': rainfall}, exposure=1 / 250)
        return np.mean([mask(rain, seed) > 0.05 for seed in range(3)])

    assert covered(0) == 0
    assert 0 < 1.5 * covered(5) < covered(50)


def test_snow_is_driven_by_one_wind():
    still = streaks(Snowfall(**SNOW, exposure=1 / 2000))
    blown = Snowfall(**SNOW | {'wind': 8}, exposure=1 / 60)
    found = [measure_streaks(mask(blown, seed)) for seed in range(4)]
    lengths = np.concatenate([one.lengths / one.widths.clip(1) for one in found])
    assert np.median(lengths) > 1.5 * np.median(still[0] / still[1].clip(1))
    # Within an image they lean alike: the quarter in the middle, far less than between images.
    spread = [np.subtract(*np.quantile(one.angles, [0.75, 0.25])) for one in found]
    assert min(spread) < 25


def test_near_flakes_are_larger_and_softer():
    sharp, soft = (Snowfall(**SNOW | {'aperture': a}, focus=8, exposure=1e-3) for a in (0, 0.02))
    edges = [np.abs(np.diff(mask(snow), axis=1)).max() for snow in (sharp, soft)]
    assert edges[0] > 1.3 * edges[1]
    sizes = streaks(Snowfall(**SNOW, exposure=1e-3))[0]
    assert np.quantile(sizes, 0.98) > 2 * np.quantile(sizes, 0.25)


@pytest.mark.parametrize('wrong', [{'exposure': 0}, {'focal': (5, 1)}, {'aperture': -1}])
@pytest.mark.parametrize('kind', [RainStreaks, Snowfall])
def test_ranges_are_checked(kind, wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))}='):
        kind(**wrong)


def test_the_input_is_as_degraded_as_in_published_sets():
    """Between Rain100H and light rain; Snow100K's sets have means of about 18.7 to 25 dB."""
    image = np.random.default_rng(0).random((12, 12, 3), dtype=np.float32).repeat(16, 0)
    image = image.repeat(16, 1) * 0.8
    for falling, low, high in ((RainStreaks(), 13, 30), (Snowfall(), 17, 28)):
        errors = [
            np.mean((falling(image, np.random.default_rng(s)) - image) ** 2) for s in range(12)
        ]
        assert low < np.mean(-10 * np.log10(errors)) < high
