"""How far points of several kinds lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from irbox.utils.optional import require

Points = np.ndarray
"""(n, d), a row for each image."""
SHUFFLES = 200
HALVES = 200


@dataclass(frozen=True)
class Separation:
    """What is measured of points and their labels."""

    silhouette: float
    """Mean over points of (b - a) / max(a, b): -1 to 1, 0 where kinds overlap (Rousseeuw 1987)."""
    silhouette_error: float
    """Its standard error over the images, by random halves of each kind, as many as ``HALVES``: the
    root of the mean squared difference to the whole (the jackknife that leaves half of them out;
    Shao and Wu 1989). Not a number where a kind has fewer than four images. Images that are draws
    of the same photograph are taken for independent."""
    by_chance: float
    """The same with shuffled labels, mean over the shuffles."""
    by_chance_most: float
    """97.5 % of the shuffles lie below."""
    within: float
    """Mean Euclidean distance of two points of one kind."""
    within_deviation: float
    between: float
    """The same of two kinds."""
    between_deviation: float


@dataclass(frozen=True)
class Projection:
    """Points in the plane, by t-SNE."""

    points: Points
    """(n, 2), started from the principal components, which leaves nothing to chance."""
    perplexity: float
    silhouette: float
    """Of ``points``."""
    seeds: list[int]
    """Of further projections, started at random."""
    spread: list[float]
    """The silhouette of each of those."""

    @property
    def text(self) -> str:
        """Say how it was made, for the figure."""
        return f't-SNE, perplexity {self.perplexity:.3g}, PCA start (seed 0)'


def standardized(points: Points) -> Points:
    """Bring each column to mean 0 and deviation 1; constant columns become 0."""
    deviation = points.std(0)
    return np.asarray((points - points.mean(0)) / np.where(deviation > 0, deviation, 1))


def separation(points: Points, labels: Sequence[str], seed: int = 0) -> Separation:
    """Measure how far kinds lie apart.

    Args:
        points: (n, d).
        labels: n, of two kinds or more, not all different.
        seed: Of the shuffles.

    Raises:
        ValueError: The labels are not of two kinds or more, each of two points or more.
    """
    names, counts = np.unique(list(labels), return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        found = ', '.join(f'{name}: {count}' for name, count in zip(names, counts, strict=True))
        raise ValueError(
            f'Clusters need two degradations or more with two images or more each, got {found}. '
            'Raise --images or name others with --labels.'
        )
    kinds = np.array(list(labels))
    gaps = _distances(points)
    whole = silhouette(gaps, kinds)
    rng = np.random.default_rng(seed)
    chance = [silhouette(gaps, rng.permutation(kinds)) for _ in range(SHUFFLES)]
    rows, columns = np.triu_indices(len(kinds), 1)
    same = kinds[rows] == kinds[columns]
    pairs = gaps[rows, columns]
    return Separation(
        whole,
        _error(gaps, kinds, whole, np.random.default_rng(seed)) if counts.min() >= 4 else np.nan,
        float(np.mean(chance)),
        float(np.quantile(chance, 0.975)),
        float(pairs[same].mean()),
        float(pairs[same].std()),
        float(pairs[~same].mean()),
        float(pairs[~same].std()),
    )


def _error(gaps: np.ndarray, kinds: np.ndarray, whole: float, rng: np.random.Generator) -> float:
    """The standard error of a silhouette, see ``Separation``."""
    members = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    squares = []
    for _ in range(HALVES):
        half = np.concatenate([rng.permutation(one)[: len(one) // 2] for one in members])
        squares.append((silhouette(gaps[np.ix_(half, half)], kinds[half]) - whole) ** 2)
    return float(np.sqrt(np.mean(squares)))


def silhouette(gaps: np.ndarray, labels: np.ndarray) -> float:
    """Compute the mean silhouette from all distances, (n, n)."""
    metrics: Any = require('sklearn.metrics', package='scikit-learn', needed_by='A silhouette')
    return float(metrics.silhouette_score(gaps, labels, metric='precomputed'))


def principal(points: Points, number: int = 2) -> tuple[Points, list[float]]:
    """Give the first principal components and their shares of the variance."""
    centered = points - points.mean(0)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    total = float((values**2).sum()) or 1.0
    number = min(number, len(values))
    return left[:, :number] * values[:number], [float(v**2 / total) for v in values[:number]]


def project(
    points: Points, labels: Sequence[str], seeds: Sequence[int] = (), perplexity: float = 30
) -> Projection:
    """Project points into the plane by t-SNE (van der Maaten and Hinton 2008).

    Args:
        points: (n, d).
        labels: n, for the silhouettes.
        seeds: Of projections that start at random, for the silhouette's spread.
        perplexity: Lowered to what n points allow, (n - 1) / 3.
    """
    manifold: Any = require('sklearn.manifold', package='scikit-learn', needed_by='t-SNE')
    perplexity = min(perplexity, (len(points) - 1) / 3)
    kinds = np.array(list(labels))

    def projected(start: str, seed: int) -> Points:
        tsne = manifold.TSNE(
            n_components=2, perplexity=perplexity, init=start, random_state=seed, n_jobs=1
        )
        answer: Points = tsne.fit_transform(points.astype(np.float32))
        return answer

    shown = projected('pca', 0)
    spread = [silhouette(_distances(projected('random', seed)), kinds) for seed in seeds]
    return Projection(shown, perplexity, silhouette(_distances(shown), kinds), list(seeds), spread)


def as_numbers(measured: Separation, projection: Projection) -> dict[str, Any]:
    """Give both for a file."""
    found: dict[str, Any] = {
        **asdict(measured),
        'perplexity': projection.perplexity,
        'tsne_silhouette': projection.silhouette,
    }
    if projection.spread:
        found |= {
            'tsne_random_starts': len(projection.seeds),
            'tsne_random_silhouette': float(np.mean(projection.spread)),
            'tsne_random_deviation': float(np.std(projection.spread)),
        }
    return found


def _distances(points: Points) -> np.ndarray:
    from scipy.spatial.distance import pdist, squareform

    answer: np.ndarray = squareform(pdist(points.astype(np.float64)))
    return answer
