from itertools import islice

import numpy as np
import pytest

from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.draw_weights import draw_weights, label_shares

LABELS = ['rain'] * 8 + ['haze'] * 2


def test_labels_alike_whatever_their_number():
    np.testing.assert_allclose(draw_weights(LABELS, 'uniform'), [0.5 / 8] * 8 + [0.5 / 2] * 2)


def test_weights_are_relative_and_1_where_not_named():
    weights = draw_weights(LABELS, {'haze': 3})
    np.testing.assert_allclose(weights, [0.25 / 8] * 8 + [0.75 / 2] * 2)
    np.testing.assert_allclose(draw_weights(LABELS, {'rain': 0}), [0] * 8 + [0.5] * 2)
    assert draw_weights(LABELS, None) is None


def test_shares():
    np.testing.assert_allclose(label_shares({'b': 2}, ['a', 'b', 'c']), [0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        ({'hase': 1}, "no degradation is labelled 'hase'. Did you mean 'haze'"),
        ({'haze': 0, 'rain': 0}, 'all of them are 0'),
    ],
)
def test_mistakes_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        draw_weights(LABELS, weights)


class Weighted(list):
    draw_weights = draw_weights(LABELS, {'haze': 3})


def test_the_sampler_draws_by_weight():
    sampler = DrawSampler(Weighted(LABELS), seed=1)
    draws = list(islice(iter(sampler), 4000))
    assert [draw for _, draw in draws] == list(range(4000))
    haze = np.mean([LABELS[index] == 'haze' for index, _ in draws])
    assert haze == pytest.approx(0.75, abs=0.03)
    counts = np.bincount([index for index, _ in draws])
    assert (np.abs(counts[8:] - 1500) < 150).all()
    # Draws are independent: an epoch of ten may hold an item twice.
    assert any(len({index for index, _ in draws[i : i + 10]}) < 10 for i in range(0, 4000, 10))


@pytest.mark.parametrize('start', [0, 3, 10, 27])
def test_starting_late_equals_skipping_with_weights(start):
    sampler = DrawSampler(Weighted(LABELS), seed=1)
    expected = list(islice(iter(sampler), start + 25))[start:]
    sampler.start_at(start)
    assert list(islice(iter(sampler), 25)) == expected


def test_weights_in_order_are_refused():
    with pytest.raises(ValueError, match='shuffle=False .* weights'):
        DrawSampler(Weighted(LABELS), seed=1, shuffle=False)
