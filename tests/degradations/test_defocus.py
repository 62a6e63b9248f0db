import numpy as np
import pytest
from scipy import ndimage

from irbox.degradations import Defocus


def disc(radius, side=15):
    """A disc whose edge falls off over a pixel, which sums to 1."""
    away = np.arange(side) - side // 2
    weights = (radius + 0.5 - np.hypot(away[:, None], away)).clip(0, 1)
    return weights / weights.sum()


def blurred(image, radius):
    light = image.astype(float) ** 2.2
    planes = [ndimage.convolve(light[..., c], disc(radius), mode='reflect') for c in range(3)]
    return np.stack(planes, axis=2) ** (1 / 2.2)


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0.1, 0.9, (41, 57, 3)).astype(np.float32)


def test_everything_alike_is_a_convolution_in_linear_light(image):
    result = Defocus(radius=3.3, by_depth=0)(image, np.random.default_rng(0))
    np.testing.assert_allclose(result, blurred(image, 3.3), atol=1e-5)


def test_a_flat_scene_is_a_convolution_whose_radius_grows_with_its_distance(image):
    """Focus at f: ``4 |d - f| / max(f, 1 - f)``."""
    rng = np.random.default_rng(3)
    rng.uniform(), rng.random()
    focus = rng.uniform()
    for distance in (0.0, 0.5, 1.0):
        depth = np.full(image.shape[:2], distance, dtype=np.float32)
        result = Defocus(radius=4, by_depth=1)(image, np.random.default_rng(3), depth)
        radius = 4 * abs(distance - focus) / max(focus, 1 - focus)
        expected = blurred(image, radius) if radius > 0.5 else image
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_what_is_in_focus_stays_sharp_before_a_blurred_background(image):
    """And what is near and blurred spreads over what is sharp behind it."""
    depth = np.zeros(image.shape[:2], dtype=np.float32)
    depth[:, 30:] = 1
    defocus = Defocus(radius=4, by_depth=1)
    sharp_near = sharp_far = 0
    for seed in range(60):
        result = defocus(image, np.random.default_rng(seed), depth)
        error = np.abs(result - image).max(axis=(0, 2))
        if error[:20].max() < 1e-4:  # focused near
            sharp_near += 1
            assert error[:30].max() < 0.01
            assert error[34:].max() > 0.1
        elif error[40:].max() < 1e-4:  # focused far
            sharp_far += 1
            assert error[30:33].max() > 0.05
            assert error[:26].max() > 0.1
    assert min(sharp_near, sharp_far) > 3


def test_a_slanted_plane_is_sharp_somewhere_only(image):
    tall = np.tile(image, (4, 1, 1))
    depth = np.linspace(1, 0, len(tall), dtype=np.float32)[:, None].repeat(57, axis=1)
    for seed in range(4):
        result = Defocus(radius=5, by_depth=1)(tall, np.random.default_rng(seed), depth)
        rows = np.abs(result - tall).mean(axis=(1, 2))
        assert rows.min() < 0.01
        assert rows.max() > 0.1


def test_the_share_by_depth(image):
    """What lies at the focus's own distance shows it: alike, all is blurred by 3 pixels."""
    depth = np.zeros(image.shape[:2], dtype=np.float32)
    alike = Defocus(radius=3, by_depth=0)(image, np.random.default_rng(0))
    defocus = Defocus(radius=3, by_depth=0.25)
    results = [defocus(image, np.random.default_rng(seed), depth) for seed in range(120)]
    same = [np.abs(result - alike).max() < 1e-5 for result in results]
    # A focus beyond .5 blurs what is near as much as the farthest.
    assert np.mean(same) == pytest.approx(0.75 + 0.25 * 0.5, abs=0.08)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match='at most 16 pixels'):
        Defocus(radius=(2, 20))
