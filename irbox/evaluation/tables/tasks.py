"""Names of tasks: what the rows of a results table are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
