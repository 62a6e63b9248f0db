import numpy as np

from irbox.datasets.dead_leaves import dead_leaves

PALETTE = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250]], dtype=np.uint8)


def draw(seed=0, size=96, **options):
    return dead_leaves(np.random.default_rng(seed), size, PALETTE, **options)


def test_shape_type_range_and_seed():
    canvas, depth = draw()
    assert canvas.shape == (96, 96, 3)
    assert canvas.dtype == np.uint8
    assert depth.shape == (96, 96)
    assert depth.dtype == np.float32
    assert 0 <= depth.min() <= depth.max() <= 1
    again, other = draw()[0], draw(1)[0]
    np.testing.assert_array_equal(canvas, again)
    assert not np.array_equal(canvas, other)


def test_colours_come_from_the_palette():
    canvas = draw()[0].reshape(-1, 3).astype(int)
    nearest = np.abs(canvas[:, None] - PALETTE[None].astype(int)).max(axis=2).min(axis=1)
    assert np.mean(nearest < 60) > 0.7  # the rest are mixed colours on edges


def test_visible_depths_are_spread_evenly():
    depth = np.concatenate([draw(seed, 64, max_radius=20)[1].ravel() for seed in range(6)])
    counts, _ = np.histogram(depth, bins=4, range=(0, 1))
    assert counts.min() > 0.12 * depth.size


def test_smaller_leaves_make_more_edges():
    def edges(radius):
        return np.abs(np.diff(draw(2, min_radius=radius)[0].astype(int), axis=0)).mean()

    assert edges(2) > 1.3 * edges(8)
