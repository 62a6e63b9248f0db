"""Costs, drawn: what was measured, and under it what papers print."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from irbox.analysis.figure import new_figure
from irbox.analysis.output import Output

WIDE = 20.0
"""The ratio of two values of a column from which on its axis is logarithmic."""


def three_digits(value: float) -> str:
    """Write a number with about three digits."""
    return f'{value:.2f}' if value < 10 else f'{value:.1f}' if value < 1000 else f'{value:.0f}'


def draw_costs(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], setting: str, output: Output
) -> None:
    """Draw a panel for each column that has a number, a dot for each row.

    What was measured is filled, with the quarters of its times as a bar; what is published is
    hollow, in rows of its own, and named as such.

    Args:
        rows: See ``irbox.analysis.cost.Cost.row``; those with ``source: measured`` first.
        columns: Key -> title.
        setting: Of what was measured.
        output: Where the figure is written.
    """
    shown = {key: title for key, title in columns.items() if any(row.get(key) for row in rows)}
    ours = [number for number, row in enumerate(rows) if row['source'] == 'measured']
    with new_figure(1.6 + 1.25 * len(shown), 1.1 + 0.2 * len(rows)) as figure:
        axes: Any = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axis, (key, title) in zip(axes, shown.items(), strict=True):
            values = [row[key] for row in rows if row.get(key)]
            for number, row in enumerate(rows):
                if row.get(key):
                    _dot(axis, number, row, key)
            if max(values) > WIDE * min(values):
                axis.set_xscale('log')
                axis.set_xlim(min(values) / 2, max(values) * (max(values) / min(values)) ** 0.6)
                axis.minorticks_off()
            else:
                axis.set_xlim(0, 1.6 * max(values))
            if len(ours) < len(rows):
                axis.axhline(len(ours) - 0.5, color='0.6', linewidth=0.6)
            axis.set_title(textwrap.fill(title, 16), fontsize=7)
            axis.tick_params(labelsize=6)
            axis.grid(axis='y', color='0.9', linewidth=0.5)
            axis.set_axisbelow(True)
        names = [
            row['method'] + ('' if number in ours else ' (published)')
            for number, row in enumerate(rows)
        ]
        axes[0].set_yticks(range(len(rows)), names)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.supxlabel(_note(rows, setting), fontsize=6)
        output.figure(figure, 'cost')


def _dot(axis: Any, number: int, row: Mapping[str, Any], key: str) -> None:
    value = row[key]
    measured = row['source'] == 'measured'
    low, high = (row.get(f'latency_{which}_quarter_ms') for which in ('first', 'third'))
    if key == 'latency_ms' and low is not None and high is not None:
        axis.plot([low, high], [number, number], color='black', linewidth=1)
    axis.plot(
        [value],
        [number],
        marker='o' if measured else 's',
        markersize=5,
        color='#0072B2' if measured else '0.35',
        markerfacecolor='#0072B2' if measured else 'white',
    )
    axis.annotate(
        three_digits(value),
        (value, number),
        (5, 0),
        textcoords='offset points',
        va='center',
        size=6,
    )


def _note(rows: Sequence[Mapping[str, Any]], setting: str) -> str:
    """Say where the numbers are from."""
    sources = dict.fromkeys(row['source'] for row in rows if row['source'] != 'measured')
    measured = f'Filled: measured ({setting}).' if setting else 'Filled: measured.'
    return '\n'.join([measured, *(f'Hollow: {source}.' for source in sources)])
