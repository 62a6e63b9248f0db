import numpy as np
import pytest

from irbox.degradations import Haze, OTSHaze, RainFog


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    return rng.random((6, 7, 3), dtype=np.float32), rng.random((6, 7), dtype=np.float32)


def test_scattering_by_hand(scene):
    image, depth = scene
    result = Haze(beta=1.5, airlight=0.8, depth_cap=0.7)(image, np.random.default_rng(0), depth)
    for y, x, c in np.ndindex(image.shape):
        t = np.exp(-1.5 * min(depth[y, x], 0.7))
        assert result[y, x, c] == pytest.approx(image[y, x, c] * t + 0.8 * (1 - t), abs=1e-6)


def test_a_tint_colours_the_airlight(scene):
    image, depth = scene
    airlights = [
        Haze(beta=100, airlight=0.7, tint=0.05)(image, np.random.default_rng(seed), depth + 1)[0, 0]
        for seed in range(200)
    ]
    np.testing.assert_allclose([one[1] for one in airlights], 0.7, atol=1e-6)
    for colour in (0, 2):
        relative = np.array([one[colour] for one in airlights]) / 0.7
        assert relative.std() == pytest.approx(0.05, rel=0.15)
        assert relative.mean() == pytest.approx(1, abs=0.01)


def test_parameters_lie_in_their_ranges(scene):
    image, depth = scene
    ones = np.ones_like(depth)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        result = Haze(beta=(1, 2), airlight=(0.6, 0.9), depth_cap=1)(image * 0, rng, ones)[0, 0, 0]
        assert 0.6 * (1 - np.exp(-1)) <= result <= 0.9 * (1 - np.exp(-2))


def test_ots_chooses_from_the_published_grid(scene):
    image, depth = scene
    haze = OTSHaze(beta=[0.2], airlight=[0.9, 1.0], scale=1000)
    seen = {
        round(float(haze(image, np.random.default_rng(seed), depth + 1)[0, 0, 0]), 4)
        for seed in range(20)
    }
    assert seen == {0.9, 1.0}  # nothing is seen through so much haze but its colour


def test_ots_scattering_by_hand(scene):
    image, depth = scene
    haze = OTSHaze(beta=[0.1], airlight=[0.9], scale=8)
    t = np.exp(-0.1 * 8 * depth)[..., None]
    result = haze(image, np.random.default_rng(0), depth)
    np.testing.assert_allclose(result, image * t + 0.9 * (1 - t), atol=1e-6)


def test_fog_without_streaks_by_hand(scene):
    image, depth = scene
    fog = RainFog(density=0, beta=1, airlight=0.7, near=0.15)
    t = np.exp(-(depth + 0.15))[..., None]
    result = fog(image, np.random.default_rng(0), depth)
    np.testing.assert_allclose(result, image * t + 0.7 * (1 - t), atol=1e-6)


def test_fog_also_veils_the_streaks(scene):
    rng = np.random.default_rng
    black, far = np.zeros((64, 64, 3), np.float32), np.ones((64, 64), np.float32)
    clear, thick = (
        RainFog(density=0.01, beta=beta, airlight=0)(black, rng(0), far) for beta in (0, 3)
    )
    np.testing.assert_allclose(thick, np.exp(-3 * 1.15) * clear, atol=1e-6)
