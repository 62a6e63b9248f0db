import numpy as np
import pytest

from irbox.degradations import DenseRain, SparseRain


def black(height=128, width=96):
    return np.zeros((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize('rain', [DenseRain(), SparseRain()])
def test_rain_is_grey_and_only_brightens(rain):
    image = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32) / 8
    veil = rain(image, np.random.default_rng(1)) - image
    assert veil.min() > -1e-6
    assert veil.max() > 0.05
    np.testing.assert_allclose(veil, veil[..., :1].repeat(3, axis=2), atol=1e-6)


def test_dense_rain_has_the_drawn_mean_and_contrast():
    veil = DenseRain(mean=0.3, contrast=0.04)(black(512, 512), np.random.default_rng(0))[..., 0]
    assert veil.mean() == pytest.approx(0.3, abs=0.01)
    assert veil.std() == pytest.approx(0.04, rel=0.15)


def test_dense_rain_falls():
    """Neighbours above each other resemble each other, neighbours side by side do not."""
    veil = DenseRain(angle=0, mean=0.3)(black(256, 256), np.random.default_rng(0))[..., 0]
    below = np.corrcoef(veil[:-4].ravel(), veil[4:].ravel())[0, 1]
    beside = np.corrcoef(veil[:, :-1].ravel(), veil[:, 1:].ravel())[0, 1]
    assert below > 0.6
    assert abs(beside) < 0.1


def test_sparse_rain_follows_density_and_slant():
    def covered(density):
        veil = SparseRain(density=density)(black(), np.random.default_rng(0))
        return np.mean(veil > 0.02)

    assert covered(0) == 0
    assert 0.01 < covered(0.001) < 0.5 * covered(0.004)

    steep = SparseRain(density=0.002, angle=0, length=16)(black(), np.random.default_rng(0))[..., 0]
    assert np.abs(np.diff(steep, axis=1)).sum() > 2 * np.abs(np.diff(steep, axis=0)).sum()


def test_sparse_rain_has_single_streaks():
    """Most of the image stays as it was: the streaks are thin and apart."""
    veil = SparseRain()(black(256, 256), np.random.default_rng(0))
    assert 0.5 < np.mean(veil == 0) < 0.99
