"""How often each pair is drawn when degradations are balanced by weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

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
        ValueError: A label is unknown, or all weights are 0.
    """
    for label in weights:
        if label not in labels:
            raise ValueError(
                f'weights: no degradation is labelled {label!r}. {suggest(label, labels)}'
            )
    counts = np.array([weights.get(label, 1.0) for label in labels], dtype=float)
    if counts.sum() == 0:
        raise ValueError('weights: all of them are 0, so nothing can be drawn.')
    shares: np.ndarray = counts / counts.sum()
    return shares


def draw_weights(
    labels: Sequence[str], weights: Mapping[str, float] | Literal['uniform'] | None
) -> np.ndarray | None:
    """Compute the probability of each sample, for ``DrawSampler``.

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
    known, position = np.unique(np.asarray(labels), return_inverse=True)
    shares = label_shares(weights, known.tolist())
    return (shares / np.bincount(position))[position]
