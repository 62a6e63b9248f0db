import math
import random
from math import comb

import pytest

from irbox.evaluation.tables import Interval, mean_interval, sign_test


def slow_interval(groups, draws, confidence=0.95, seed=0):
    """Draw images again and again, in so many words."""
    source = random.Random(seed)
    means = []
    for _ in range(draws):
        drawn = [[source.choice(group) for _ in group] for group in groups]
        means.append(sum(sum(group) / len(group) for group in drawn) / len(groups))
    means.sort()
    outside = (1 - confidence) / 2
    return means[round(outside * (draws - 1))], means[round((1 - outside) * (draws - 1))]


def scores(count, seed, center=28.0, spread=3.0):
    source = random.Random(seed)
    return [source.gauss(center, spread) for _ in range(count)]


@pytest.mark.parametrize('sizes', [(12,), (5, 30), (8, 9, 10)])
@pytest.mark.parametrize('confidence', [0.95, 0.6])
def test_the_interval_is_that_of_drawing_again(sizes, confidence):
    groups = [scores(size, number, 20 + 5 * number) for number, size in enumerate(sizes)]
    found = mean_interval(groups, confidence)
    low, high = slow_interval(groups, 4000, confidence, seed=3)
    assert found.mean == pytest.approx(sum(sum(g) / len(g) for g in groups) / len(groups))
    # Quantiles of 4,000 draws are off by a few hundredths of the width.
    assert found.low == pytest.approx(low, abs=0.08 * (high - low))
    assert found.high == pytest.approx(high, abs=0.08 * (high - low))


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    held = 0
    for seed in range(200):
        found = mean_interval([scores(40, seed)], resamples=400)
        held += found.low <= 28 <= found.high
    # 190 of 200 wanted; the percentile method is a little narrow, and 3 deviations are 9.
    assert 178 <= held <= 199


def test_a_seed_gives_the_same_again():
    group = [scores(20, 0)]
    assert mean_interval(group) == mean_interval(group)
    assert mean_interval(group, seed=1) != mean_interval(group)


def test_no_interval_where_images_say_nothing():
    for group in ([31.0], [31.0, math.inf]):
        found = mean_interval([group])
        assert math.isnan(found.low) and math.isnan(found.high)
        assert found.mean == sum(group) / len(group)
    assert mean_interval([[0.5, 0.5, 0.5]]) == Interval(0.5, 0.5, 0.5)


def test_wrong_arguments():
    with pytest.raises(ValueError, match='at least one image'):
        mean_interval([[1.0], []])
    with pytest.raises(ValueError, match='confidence=95 must be between 0 and 1'):
        mean_interval([[1.0, 2.0]], confidence=95)


@pytest.mark.parametrize(('higher', 'lower'), [(9, 1), (1, 9), (5, 5), (15, 10), (68, 0)])
def test_the_sign_test_counts_coins(higher, lower):
    count, most = higher + lower, max(higher, lower)
    tail = sum(comb(count, k) for k in range(most, count + 1)) / 2**count
    found = sign_test([0.5] * higher + [-0.1] * lower + [0.0] * 3)
    assert (found.higher, found.lower, found.equal) == (higher, lower, 3)
    assert found.p == pytest.approx(min(1.0, 2 * tail))


def test_the_sign_test_of_equal_pairs():
    assert sign_test([0.0, 0.0]).p == 1
