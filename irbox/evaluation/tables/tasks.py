"""Tasks: what the rows of a results table are called, and the mean over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

MEAN = 'mean'


def name_tasks(labels: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """Name what is scored on each set: a degradation, a set, or both.

    A task is called after its set where the set holds one degradation only, after the degradation
    where there is one set only, and ``set/degradation`` otherwise. A set without a name of its own
    (``''``) is one set.

    Args:
        labels: Name of a set to the degradations in it.

    Returns:
        (set, label) to the name of the task, in the order given.
    """
    alone = len(labels) == 1
    return {
        (name, label): name
        if len(found) == 1 and name
        else label
        if alone or not name
        else f'{name}/{label}'
        for name, found in labels.items()
        for label in found
    }


def mean_of_tasks(columns: Mapping[str, Mapping[str, float]], score: str) -> float:
    """Give the mean of a score over the tasks.

    A task whose images equal the clean ones, before or after they were restored, has an infinite
    PSNR, which would hide all other tasks: it is left out, on both sides, so that their difference
    is of the same tasks. Infinite where no task is left.

    Args:
        columns: Score to task to value. ``input_{score}`` is that of the degraded images.
        score: One of them.
    """
    bare = score.removeprefix('input_')
    sides = [columns[name] for name in (bare, f'input_{bare}') if name in columns]
    finite = [
        value
        for task, value in columns[score].items()
        if not any(math.isinf(side.get(task, 0)) for side in sides)
    ]
    return fmean(finite or columns[score].values())
