"""The columns of a table for several methods: bars, and a radar as in Fig. 1 of the papers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irbox.analysis.figure import marks, new_figure
from irbox.analysis.output import Output
from irbox.registry import suggest


@dataclass(frozen=True)
class Method:
    """A line of a table."""

    name: str
    source: str
    """``measured``, or where it was published."""
    values: dict[str, float]
    """Column -> score."""


def read_tables(paths: Sequence[Path], score: str) -> list[Method]:
    """Read the lines of tables as ``irbox test`` writes them (``table.json``).

    Args:
        paths: Files, or folders that hold a ``table.json``.
        score: Which, such as ``psnr``.

    Returns:
        Every line that has the score, the degraded images' once; a name that stands twice gets its
        table's folder behind it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is no such table, or has no such score.
    """
    found: list[Method] = []
    for given in paths:
        path = given / 'table.json' if given.is_dir() else given
        if not path.is_file():
            raise FileNotFoundError(f'{path} does not exist: irbox test writes it.')
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            scores, lines = list(content['scores']), content['lines']
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is no table.json as irbox test writes it.') from error
        if score not in scores:
            raise ValueError(f'{path} has no score {score!r}. {suggest(score, scores)}')
        for line in lines:
            values = {
                column: float(cell[score])
                for column, cell in line['scores'].items()
                if isinstance(cell, dict) and isinstance(cell.get(score), (int, float))
            }
            method = Method(str(line['method']), str(line['source']), values)
            if not values or method in found:
                continue
            if any(one.name == method.name for one in found):
                method = Method(f'{method.name} ({path.parent.name})', method.source, values)
            found.append(method)
    return found


def columns_of(methods: Sequence[Method]) -> list[str]:
    """Give the columns that every method has, in the first one's order.

    Raises:
        ValueError: They share none.
    """
    found = [column for column in methods[0].values if all(column in one.values for one in methods)]
    if not found:
        raise ValueError(f'{", ".join(one.name for one in methods)} share no column.')
    return found


def spokes(methods: Sequence[Method], columns: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Give the range of each column: from a tenth below its lowest value to its highest.

    A tenth of its range; where all are equal, of 1.
    """
    found = {}
    for column in columns:
        values = [one.values[column] for one in methods]
        reach = (max(values) - min(values)) or 1.0
        found[column] = (min(values) - reach / 10, max(values))
    return found


def analyze(methods: Sequence[Method], score: str, output: Output) -> None:
    """Draw bars and a radar of what all methods have, and write the numbers.

    Args:
        methods: One or more.
        score: Its name, for the axes.
        output: Where everything is written.
    """
    columns = columns_of(methods)
    rows = [
        {'method': one.name, 'source': one.source} | {c: one.values[c] for c in columns}
        for one in methods
    ]
    output.rows(rows, 'summary')
    output.numbers({'score': score, 'methods': rows, 'spokes': spokes(methods, columns)}, 'summary')
    _bars(methods, columns, score, output)
    # An average is no task, and two spokes are no radar.
    tasks = [column for column in columns if column not in ('average', 'mean')]
    if len(tasks) > 2:
        _radar(methods, tasks, score, output)


def _bars(methods: Sequence[Method], columns: Sequence[str], score: str, output: Output) -> None:
    kinds = marks([one.name for one in methods])
    step = 0.8 / len(methods)
    with new_figure(1.5 + 0.25 * len(columns) * (len(methods) + 1), 3) as figure:
        axis = figure.subplots()
        for number, one in enumerate(methods):
            mark = kinds[one.name]
            places = np.arange(len(columns)) - 0.4 + step * (number + 0.5)
            values = [one.values[column] for column in columns]
            style: Any = {'color': mark.color, 'hatch': mark.hatch, 'edgecolor': 'white'}
            axis.bar(places, values, step, label=_name(one), **style)
            for place, value in zip(places, values, strict=True):
                text = f'{value:.2f}' if abs(value) >= 2 else f'{value:.3f}'
                axis.text(place, value, text, rotation=90, ha='center', va='bottom', fontsize=5)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_ylabel(score)
        axis.margins(y=0.2)
        figure.legend(loc='outside upper center', ncols=min(4, len(methods)))
        output.figure(figure, 'summary_bars')


def _radar(methods: Sequence[Method], columns: Sequence[str], score: str, output: Output) -> None:
    kinds = marks([one.name for one in methods])
    ranges = spokes(methods, columns)
    angles = [2 * math.pi * number / len(columns) for number in range(len(columns))]
    lines = ('-', '--', '-.', ':')
    with new_figure(4.6, 4.6) as figure:
        axis: Any = figure.add_subplot(projection='polar')
        axis.set_theta_zero_location('N')
        axis.set_theta_direction(-1)
        for number, one in enumerate(methods):
            values = [
                (one.values[column] - low) / (high - low) for column, (low, high) in ranges.items()
            ]
            mark = kinds[one.name]
            axis.plot(
                [*angles, angles[0]],
                [*values, values[0]],
                color=mark.color,
                marker=mark.marker,
                linestyle=lines[number % len(lines)],
                linewidth=1.2,
                markersize=4,
                label=_name(one),
            )
        titles = [f'{column}\n{low:.4g} to {high:.4g}' for column, (low, high) in ranges.items()]
        axis.set_xticks(angles, titles, fontsize=7)
        axis.tick_params(axis='x', pad=16)
        axis.set_yticks([0.25, 0.5, 0.75, 1], [])
        axis.set_ylim(0, 1.05)
        axis.set_title(f'{score}; each spoke has its own range', fontsize=7)
        figure.legend(loc='outside lower center', ncols=min(3, len(methods)))
        output.figure(figure, 'summary_radar')


def _name(one: Method) -> str:
    return one.name if one.source == 'measured' else f'{one.name}, {one.source}'
