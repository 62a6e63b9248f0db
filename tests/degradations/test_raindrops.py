import numpy as np

from irbox.degradations import Raindrops


def photo(side=96):
    """Dark below, bright above."""
    rows = np.linspace(1, 0, side, dtype=np.float32)[:, None, None]
    return rows.repeat(side, axis=1).repeat(3, axis=2)


def test_without_drops_nothing_changes():
    image = photo()
    np.testing.assert_array_equal(Raindrops(density=0)(image, np.random.default_rng(0)), image)


def test_more_drops_cover_more():
    image = photo()

    def covered(density):
        results = [Raindrops(density)(image, np.random.default_rng(seed)) for seed in range(4)]
        return np.mean([np.abs(result - image) > 0.01 for result in results])

    assert 0.02 < covered(0.0005) < covered(0.003) < 0.9


def test_a_drop_shows_the_view_upside_down():
    image = photo()
    result = Raindrops(density=0.001, radius=12, opacity=1)(image, np.random.default_rng(1))
    falls = np.diff(image[..., 0], axis=0).mean()
    inside = np.abs(result - image)[..., 0] > 0.2
    inside = inside[1:] & inside[:-1]
    assert inside.sum() > 20
    assert falls < 0 < np.median(np.diff(result[..., 0], axis=0)[inside])


def test_drops_are_soft_and_local():
    """A drop changes only its neighbourhood; the rest is the very input."""
    image = photo(192)
    result = Raindrops(density=3 / 192**2)(image, np.random.default_rng(2))
    assert 0 < np.mean(result != image) < 0.3
