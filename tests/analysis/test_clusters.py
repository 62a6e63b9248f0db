"""Numbers of clusters against sums over pairs, one by one."""

import math

import numpy as np
import pytest

from irbox.analysis.clusters import (
    as_numbers,
    principal,
    project,
    separation,
    silhouette,
    standardized,
)

LABELS = ['haze'] * 5 + ['rain'] * 4 + ['snow'] * 3


def points(apart=1.5, seed=0):
    rng = np.random.default_rng(seed)
    middle = {'haze': 0.0, 'rain': apart, 'snow': -apart}
    return np.array([rng.normal(middle[label], 1, 4) for label in LABELS])


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def slow_silhouette(rows, labels):
    """Rousseeuw's definition, point by point."""
    values = []
    for i, one in enumerate(rows):
        mean = {}
        for label in set(labels):
            others = [
                distance(one, other)
                for j, other in enumerate(rows)
                if labels[j] == label and j != i
            ]
            mean[label] = sum(others) / len(others)
        a = mean.pop(labels[i])
        b = min(mean.values())
        values.append((b - a) / max(a, b))
    return sum(values) / len(values)


def test_the_numbers_are_those_of_all_pairs():
    rows = points()
    found = separation(rows, LABELS)
    assert found.silhouette == pytest.approx(slow_silhouette(rows, LABELS), abs=1e-9)
    same, other = [], []
    for i in range(len(rows)):
        for j in range(i):
            (same if LABELS[i] == LABELS[j] else other).append(distance(rows[i], rows[j]))
    assert found.within == pytest.approx(np.mean(same))
    assert found.within_deviation == pytest.approx(np.std(same))
    assert found.between == pytest.approx(np.mean(other))
    assert found.between_deviation == pytest.approx(np.std(other))


def test_chance_is_below_what_is_apart_and_above_nothing():
    far, mixed = separation(points(6), LABELS), separation(points(0), LABELS)
    assert far.silhouette > 0.5 > far.by_chance_most
    assert abs(far.by_chance) < 0.2
    assert mixed.silhouette < 0.2
    assert separation(points(6), LABELS) == far


def test_too_few_of_a_kind_are_refused():
    with pytest.raises(ValueError, match='two degradations or more'):
        separation(points()[:5], LABELS[:5])
    with pytest.raises(ValueError, match='snow: 1'):
        separation(points()[:10], LABELS[:10])


def test_standardized():
    rows = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert standardized(rows).tolist() == [[-1, 0], [1, 0]]


def test_principal_components_keep_distances_and_say_their_share():
    rows = points()
    components, shares = principal(rows, 4)
    assert distance(components[0], components[7]) == pytest.approx(distance(rows[0], rows[7]))
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    assert shares == pytest.approx((values / values.sum()).tolist())


def test_a_projection_is_the_same_each_time_and_its_spread_is_of_other_starts():
    pytest.importorskip('sklearn')
    rows = points(6)
    first, second = (project(rows, LABELS, seeds=[1, 2]) for _ in range(2))
    assert np.array_equal(first.points, second.points)
    assert first.spread == second.spread
    assert len(first.spread) == 2
    assert first.perplexity == pytest.approx(11 / 3)  # what twelve points allow
    gaps = np.array([[distance(a, b) for b in first.points] for a in first.points])
    assert first.silhouette == pytest.approx(silhouette(gaps, np.array(LABELS)), abs=1e-6)
    numbers = as_numbers(separation(rows, LABELS), first)
    assert numbers['tsne_random_deviation'] == pytest.approx(np.std(first.spread))
