import numpy as np
import pytest
import yaml

from irbox.datasets.photographs import RESERVED, TRAINING, photograph
from irbox.datasets.scenes.color_model import COLORS, draw_palette, fitted_colors
from irbox.datasets.scenes.fit_colors import fit_colors


def test_the_model_is_fitted_to_training_photographs_alone():
    names = yaml.safe_load(COLORS.read_text())
    assert tuple(names) == TRAINING
    assert not set(names) & set(RESERVED)


@pytest.mark.parametrize('name', ['coffee', 'rocket'])
def test_the_stored_numbers_are_what_the_fit_gives(name):
    stored = yaml.safe_load(COLORS.read_text())[name]
    for row, known in zip(fit_colors(photograph(name).image), stored, strict=True):
        assert row['share'] == pytest.approx(known['share'], abs=0.01)
        np.testing.assert_allclose(row['lab'], known['lab'], atol=0.5)


def test_a_fitted_palette_has_the_photographs_colors():
    from skimage.color import rgb2lab

    pixels = rgb2lab(np.asarray(photograph('coffee').image) / 255).reshape(-1, 3)
    drawn = fitted_colors()[TRAINING.index('coffee')].draw(np.random.default_rng(0), 20_000)
    np.testing.assert_allclose(drawn.mean(0), pixels.mean(0), atol=1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(pixels.T), rtol=0.1, atol=8)


def test_palettes_are_in_range_and_differ():
    means = []
    for seed in range(20):
        colors = draw_palette(np.random.default_rng(seed)).draw(np.random.default_rng(1), 400)
        assert colors.dtype == np.float32
        assert (colors >= (2, -90, -90)).all() and (colors <= (99, 90, 90)).all()
        means.append(colors.mean(0))
    assert (np.std(means, axis=0) > 4).all()
