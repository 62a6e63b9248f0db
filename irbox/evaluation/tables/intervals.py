"""How sure a mean over images is, and a difference of two checkpoints on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 9999
BATCH = 4_000_000
"""Values that are drawn at a time: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it."""

    mean: float
    low: float
    """NaN, as ``high``, where images say nothing of it: a single one, or an infinite value."""
    high: float

    def text(self, digits: int, sign: str = '') -> str:
        """Print it, such as ``28.31 [27.90, 28.70]``.

        Examples:
            >>> Interval(28.314, 27.9, 28.7).text(2)
            '28.31 [27.90, 28.70]'
            >>> Interval(0.5, math.nan, math.nan).text(1, '+')
            '+0.5'
        """
        if math.isnan(self.low):
            return f'{self.mean:{sign}.{digits}f}'
        low, high = (f'{value:{sign}.{digits}f}' for value in (self.low, self.high))
        return f'{self.mean:{sign}.{digits}f} [{low}, {high}]'


@dataclass(frozen=True)
class SignTest:
    """How often the second of two was higher, and whether chance would do that."""

    higher: int
    lower: int
    equal: int
    p: float
    """Two-sided, of as uneven a split of the unequal pairs by a fair coin; 1 without any."""


def mean_interval(
    groups: Sequence[Sequence[float]],
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compute the mean of the groups' means, and its bootstrap interval (Efron, 1979).

    Images are drawn with replacement within each group, as many as it has, and the mean computed
    anew, many times; the interval holds the middle of what came out (percentile method). It says
    what other images of the same kind would change, not what another training would.

    Args:
        groups: The values of each task's images; one group for a task by itself.
        confidence: Share of the draws that the interval holds.
        resamples: Number of draws.
        seed: Of the draws: the same values and seed give the same interval.

    Raises:
        ValueError: A group is empty, or ``confidence`` is not between 0 and 1.

    Examples:
        >>> mean_interval([[1.0, 2.0, 3.0, 4.0]]).text(2)
        '2.50 [1.50, 3.50]'
    """
    if not groups or not all(len(group) for group in groups):
        raise ValueError('A mean needs at least one image in each group.')
    if not 0 < confidence < 1:
        raise ValueError(f'confidence={confidence} must be between 0 and 1, such as 0.95.')
    mean = fmean(fmean(group) for group in groups)
    if min(map(len, groups)) < 2 or not all(math.isfinite(v) for g in groups for v in g):
        return Interval(mean, math.nan, math.nan)
    from scipy import stats

    def mean_of_means(*samples: np.ndarray[Any, Any], axis: int) -> Any:
        return sum(sample.mean(axis=axis) for sample in samples) / len(samples)

    found = stats.bootstrap(
        [np.asarray(group, dtype=np.float64) for group in groups],
        mean_of_means,
        n_resamples=resamples,
        batch=max(1, BATCH // sum(map(len, groups))),
        vectorized=True,
        confidence_level=confidence,
        method='percentile',
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def sign_test(differences: Sequence[float]) -> SignTest:
    """Test whether differences are as often above as below zero; zeros are left out.

    Examples:
        >>> sign_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.0])
        SignTest(higher=5, lower=0, equal=1, p=0.0625)
    """
    higher = sum(value > 0 for value in differences)
    lower = sum(value < 0 for value in differences)
    p = 1.0
    if higher + lower:
        from scipy import stats

        p = float(stats.binomtest(higher, higher + lower).pvalue)
    return SignTest(higher, lower, len(differences) - higher - lower, p)
