"""Degradations made of others: one of several, and one after the other."""

import numpy as np
import pytest

from irbox.degradations import Chain, Defocus, GaussianNoise, Haze, LowLight, OneOf
from irbox.registry import TRANSFORMS

HAZE = {'type': 'Haze', 'beta': 1, 'airlight': 0.8}
NOISE = {'type': 'GaussianNoise', 'sigma': 25}


@pytest.fixture
def image():
    return np.random.default_rng(0).random((24, 32, 3), dtype=np.float32)


def test_a_chain_is_one_after_the_other(image):
    result = Chain([HAZE, NOISE])(image, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    expected = GaussianNoise(25)(Haze(1, 0.8)(image, rng), rng)
    np.testing.assert_array_equal(result, expected)


def test_a_chain_needs_the_margins_of_all_and_a_choice_the_largest():
    steps = [{'type': 'LowLight'}, {'type': 'Defocus', 'radius': 3}]
    assert Chain(steps).margin == LowLight.margin + Defocus(3).margin
    assert OneOf(steps).margin == max(LowLight.margin, Defocus(3).margin)


def test_no_steps_change_nothing(image):
    np.testing.assert_array_equal(Chain([])(image, np.random.default_rng(0)), image)


def test_one_of_is_chosen_by_weight(image):
    one_of = OneOf(
        [{'type': 'Underexposure', 'stops': 2}, {'type': 'Chain', 'transforms': []}], [3, 1]
    )
    chosen = [one_of(image, np.random.default_rng(seed)).mean() < 0.4 for seed in range(200)]
    assert np.mean(chosen) == pytest.approx(0.75, abs=0.08)


def test_depth_reaches_the_chosen_one(image):
    depth = np.full(image.shape[:2], 0.5, dtype=np.float32)
    result = OneOf([HAZE])(image, np.random.default_rng(0), depth)
    t = np.exp(np.float32(-0.5))
    np.testing.assert_allclose(result, image * t + 0.8 * (1 - t), atol=1e-6)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match='2 weights for 1 transforms'):
        OneOf([HAZE], [1, 2])
    with pytest.raises(ValueError, match='transforms'):
        TRANSFORMS.build({'type': 'OneOf', 'transforms': []})
    with pytest.raises(ValueError, match=r"No transform is called 'Hase'"):
        TRANSFORMS.build({'type': 'OneOf', 'transforms': [{'type': 'Hase'}]})
