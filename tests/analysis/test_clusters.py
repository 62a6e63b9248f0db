"""Numbers of clusters against sums over pairs, one by one."""

import math

import numpy as np
import pytest

from irbox.analysis.clusters import (
    HALVES,
    SHUFFLES,
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


def test_chance_is_that_of_shuffled_labels():
    rows = points()
    found = separation(rows, LABELS, seed=3)
    rng = np.random.default_rng(3)
    values = sorted(
        slow_silhouette(rows, rng.permutation(LABELS).tolist()) for _ in range(SHUFFLES)
    )
    assert found.by_chance == pytest.approx(sum(values) / SHUFFLES)
    # Between the two values that 97.5 % of the way falls between.
    place = 0.975 * (SHUFFLES - 1)
    low, high = values[int(place)], values[int(place) + 1]
    assert found.by_chance_most == pytest.approx(low + (place - int(place)) * (high - low))


def test_the_error_is_the_spread_of_halves():
    labels = ['haze'] * 6 + ['rain'] * 4
    rows = points()[: len(labels)]
    found = separation(rows, labels)
    whole = slow_silhouette(rows, labels)
    rng = np.random.default_rng(0)
    squares = []
    for _ in range(HALVES):
        half = [*rng.permutation(range(6))[:3], *rng.permutation(range(6, 10))[:2]]
        squares.append(
            (slow_silhouette([rows[i] for i in half], [labels[i] for i in half]) - whole) ** 2
        )
    assert found.silhouette_error == pytest.approx(math.sqrt(sum(squares) / HALVES))
    assert math.isnan(separation(points(), LABELS).silhouette_error)  # snow: three


@pytest.mark.slow
def test_the_error_is_that_of_another_draw():
    """As wide as the silhouettes of fresh points spread, about."""
    labels = ['haze'] * 20 + ['rain'] * 20
    drawn = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rows = np.array([rng.normal(label == 'rain', 1, 2) for label in labels])
        drawn.append(separation(rows, labels))
    spread = np.std([one.silhouette for one in drawn])
    claimed = np.mean([one.silhouette_error for one in drawn])
    assert 0.6 < claimed / spread < 1.7


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
    manifold = pytest.importorskip('sklearn.manifold')
    for seed, value in zip([1, 2], first.spread, strict=True):
        tsne = manifold.TSNE(2, perplexity=11 / 3, init='random', random_state=seed, n_jobs=1)
        plane = tsne.fit_transform(rows.astype('float32')).tolist()
        assert value == pytest.approx(slow_silhouette(plane, LABELS), abs=1e-5)
    numbers = as_numbers(separation(rows, LABELS), first)
    assert numbers['tsne_silhouette'] == first.silhouette
    assert numbers['tsne_random_silhouette'] == pytest.approx(sum(first.spread) / 2)
    assert numbers['tsne_random_starts'] == 2
    assert numbers['tsne_random_deviation'] == pytest.approx(np.std(first.spread))
