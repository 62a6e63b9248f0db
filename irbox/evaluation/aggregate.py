"""Means per degradation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean


def means_by_label(results: Iterable[tuple[str, Mapping[str, float]]]) -> dict[str, float]:
    """Mean of each score over the images of a label, in the order in which the labels first came.

    Args:
        results: Label and scores of each image.

    Returns:
        ``{label}/{score}`` to its mean.
    """
    by_label: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for label, scores in results:
        by_label[label].append(scores)
    return {
        f'{label}/{name}': fmean(scores[name] for scores in found)
        for label, found in by_label.items()
        for name in found[0]
    }
