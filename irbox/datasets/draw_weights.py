"""How often each pair is drawn when degradations are balanced by weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irbox.registry import suggest


def label_shares(weights: Mapping[str, float], labels: Sequence[str]) -> np.ndarray:
    """Share of the draws of each label.

    Args:
        weights: Label to how often it is drawn, relative to the others; those not named count 1.
        labels: All labels, each once.

    Returns:
        (L,), in the order of the labels; the sum is 1.

    Raises:
        ValueError: A label is unknown, a weight negative, or all are 0.
    """
    for label, weight in weights.items():
        if label not in labels:
            raise ValueError(
                f'weights: no degradation is labelled {label!r}. {suggest(label, labels)}'
            )
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < np.inf:
            raise ValueError(f'weights: {label}={weight!r} must be a number of at least 0.')
    shares = np.array([weights.get(label, 1.0) for label in labels], dtype=float)
    if shares.sum() == 0:
        raise ValueError('weights: all of them are 0, so nothing can be drawn.')
    return shares / shares.sum()


def draw_weights(
    labels: Sequence[str], weights: Mapping[str, float] | str | None
) -> np.ndarray | None:
    """Probability of each sample, for ``DrawSampler``.

    Args:
        labels: Of all samples.
        weights: As for ``label_shares``; ``uniform`` for all labels alike; None for no weights.

    Returns:
        (N,), where all samples of a label have the same and the sum is 1; or None.

    Raises:
        ValueError: See ``label_shares``.
    """
    if weights is None:
        return None
    if weights == 'uniform':
        weights = {}
    if not isinstance(weights, Mapping):
        raise ValueError(f'weights={weights!r}: give a number for each label, or uniform.')
    known, position = np.unique(np.asarray(labels), return_inverse=True)
    shares = label_shares(weights, known.tolist())
    return (shares / np.bincount(position))[position]
