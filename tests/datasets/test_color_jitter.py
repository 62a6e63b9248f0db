import numpy as np

from irbox.datasets.color_jitter import color_jitter


def test_keeps_the_contract_and_the_seed():
    image = np.random.default_rng(0).random((9, 11, 3), dtype=np.float32)
    before = image.copy()
    for seed in range(10):
        result = color_jitter(image, np.random.default_rng(seed))
        assert result.shape == image.shape
        assert result.dtype == np.float32
        assert 0 <= result.min() <= result.max() <= 1
        np.testing.assert_array_equal(result, color_jitter(image, np.random.default_rng(seed)))
        assert np.abs(result - image).max() > 0.01
    np.testing.assert_array_equal(image, before)


def test_the_same_colour_stays_the_same_everywhere():
    """It is a change of colours, not of places."""
    image = np.full((4, 4, 3), (0.2, 0.5, 0.7), dtype=np.float32)
    result = color_jitter(image, np.random.default_rng(1))
    assert (result == result[0, 0]).all()


def test_channels_are_permuted_sometimes():
    image = np.full((1, 1, 3), (0.1, 0.5, 0.9), dtype=np.float32)
    orders = {
        tuple(np.argsort(color_jitter(image, np.random.default_rng(seed))[0, 0]).tolist())
        for seed in range(60)
    }
    assert len(orders) == 6
