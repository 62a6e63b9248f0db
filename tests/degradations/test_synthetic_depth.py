import numpy as np

from irbox.degradations.synthetic_depth import synthetic_depth


def draw(seed=0, shape=(60, 80), **options):
    return synthetic_depth(np.random.default_rng(seed), shape, **options)


def test_shape_range_and_seed():
    depth = draw(shape=(61, 83))
    assert depth.shape == (61, 83)
    assert depth.dtype == np.float32
    for seed in range(20):
        assert 0.05 <= draw(seed).min() <= draw(seed).max() <= 0.7 + 1e-6
    np.testing.assert_array_equal(depth, draw(shape=(61, 83)))
    assert not np.array_equal(depth, draw(1, (61, 83)))


def test_the_top_is_far_on_average():
    rows = np.mean([draw(seed).mean(axis=1) for seed in range(30)], axis=0)
    assert rows[0] > rows[30] > rows[-1]
    assert rows[0] > 2 * rows[-1]


def test_a_window_shows_its_part_of_the_whole():
    whole = draw(3, (120, 160))
    part = draw(3, (60, 40), window=(0.5, 0.25, 0.75, 0.75))
    np.testing.assert_allclose(part, whole[30:90, 80:120], atol=0.01)
