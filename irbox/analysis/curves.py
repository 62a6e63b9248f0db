"""What runs logged, over each other, from their own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irbox.analysis.figure import legend_text, marks, new_figure
from irbox.analysis.output import Output
from irbox.registry import suggest

Curves = dict[str, dict[int, float]]
"""Name of what was logged -> iteration -> value."""
DEFAULT = ('loss', 'lr', 'grad_norm', 'mean/psnr')
LOG = 'vis_data/scalars.json'
NOISY = ('loss', 'grad_norm')
"""What is smoothed: names that begin so. A schedule or a few scores would only be bent."""


def logs_of(folder: Path) -> list[Path]:
    """Find what a run logged, a file for each of its starts, the first one first.

    Args:
        folder: A work dir, or one of the folders of its starts.

    Raises:
        FileNotFoundError: Nothing was logged there.
    """
    # The folders of starts are named for their times.
    found = sorted(folder.glob(f'*/{LOG}')) or sorted(folder.glob(LOG))
    if not found:
        raise FileNotFoundError(f'{folder} holds no {LOG}: it is no work dir of a training.')
    return found


def read_run(folder: Path) -> Curves:
    """Read all that a run logged, also over several starts; a later start's values count.

    Args:
        folder: A work dir, or one of the folders of its starts.

    Raises:
        FileNotFoundError: Nothing was logged there.
    """
    found: Curves = {}
    for log in logs_of(folder):
        starts_at: int | None = None
        for line in log.read_text(encoding='utf-8').splitlines():
            values = _values(line)
            step = values.pop('step', None) or values.get('iter')
            if step is None:
                continue
            if starts_at is None:
                starts_at = int(step)
                _forget_from(found, starts_at)
            for name, value in values.items():
                found.setdefault(name, {})[int(step)] = value
    return found


def smoothed(values: Sequence[float], share: float) -> list[float]:
    """Average exponentially; ``share`` of what was before is kept, 0 keeps nothing.

    The first values are weighed so that none is drawn towards zero.
    """
    found, total, weight = [], 0.0, 0.0
    for value in values:
        total = share * total + (1 - share) * value
        weight = share * weight + (1 - share)
        found.append(total / weight)
    return found


def choose_keys(runs: Mapping[str, Curves], wanted: Sequence[str]) -> list[str]:
    """Give what is drawn: the names that are wanted, or the usual ones that some run logged.

    A name that ends in ``*`` stands for all that begin so.

    Raises:
        ValueError: No run logged one of them, or anything.
    """
    there = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    if not there:
        raise ValueError(
            f'Nothing to draw: {LOG} of {", ".join(runs)} holds no values yet. Wait for the first, '
            'or name another run.'
        )
    if not wanted:
        return [name for name in DEFAULT if name in there] or there[:4]
    found = []
    for key in wanted:
        some = [name for name in there if name.startswith(key[:-1])] if key[-1:] == '*' else [key]
        if not some or not set(some) & set(there):
            raise ValueError(f'--keys: no run logged {key!r}. {suggest(key, there)}')
        found += [name for name in some if name not in found]
    return found


def analyze(
    runs: Mapping[str, Curves], output: Output, keys: Sequence[str] = (), smooth: float = 0.0
) -> list[str]:
    """Draw runs over each other, a panel for each name.

    Args:
        runs: Name -> what it logged.
        output: Where everything is written.
        keys: What is drawn, see ``choose_keys``.
        smooth: See ``smoothed``, of losses and norms of the gradient; what was logged stays
            visible, fainter.

    Returns:
        What was drawn.
    """
    drawn = choose_keys(runs, keys)
    rows = [
        {'run': run, 'key': key, 'step': step, 'value': value}
        for run, curves in runs.items()
        for key in drawn
        for step, value in sorted(curves.get(key, {}).items())
    ]
    output.rows(rows, 'curves')
    output.numbers(
        {run: {key: curves.get(key, {}) for key in drawn} for run, curves in runs.items()}, 'curves'
    )
    kinds = marks(list(runs))
    columns = min(2, len(drawn))
    high = (len(drawn) + columns - 1) // columns
    with new_figure(3.5 * columns, 2.3 * high + 0.3) as figure:
        axes: Any = figure.subplots(high, columns, squeeze=False)
        for axis in axes.flat[len(drawn) :]:
            axis.set_axis_off()
        for axis, key in zip(axes.flat, drawn, strict=False):
            for run, curves in runs.items():
                share = smooth if key.startswith(NOISY) else 0.0
                _line(axis, run, kinds[run], sorted(curves.get(key, {}).items()), share)
            axis.set(title=key, xlabel='iteration')
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc='outside upper center', ncols=min(3, len(runs)))
        output.figure(figure, 'curves')
    return drawn


def _line(
    axis: Any, run: str, mark: Any, points: Sequence[tuple[int, float]], smooth: float
) -> None:
    steps, values = [step for step, _ in points], [value for _, value in points]
    shown = smoothed(values, smooth)
    every = max(1, len(points) // 8)
    axis.plot(
        steps,
        shown,
        color=mark.color,
        marker=mark.marker,
        markevery=every,
        markersize=3.5,
        linewidth=1,
        label=legend_text(run),
    )
    if smooth:
        axis.plot(steps, values, color=mark.color, alpha=0.25, linewidth=0.6)


def _values(line: str) -> dict[str, float]:
    """The numbers of one line; a line that was cut short has none."""
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _forget_from(found: Curves, step: int) -> None:
    """Drop what a start before this one logged from here on: it was not continued."""
    for values in found.values():
        for later in [one for one in values if one >= step]:
            del values[later]
