"""The columns of a table for several methods: bars, and a radar as in Fig. 1 of the papers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from irbox.analysis.figure import legend_text, marks, new_figure
from irbox.analysis.output import Output
from irbox.registry import suggest


@dataclass(frozen=True)
class Score:
    """What is drawn of each cell."""

    name: str
    """Such as ``psnr``."""
    unit: str = ''
    lower_is_better: bool = False

    @property
    def text(self) -> str:
        """Say on the figure what an axis is."""
        unit = f' ({self.unit})' if self.unit else ''
        return self.name + unit + (', lower is better' if self.lower_is_better else '')


@dataclass(frozen=True)
class Method:
    """A line of a table."""

    name: str
    source: str
    """``measured``, or where it was published."""
    values: dict[str, float]
    """Column -> score."""
    protocol: str = 'not known'
    """What the scores follow, ``likely`` in front of a guess."""


def table_file(given: Path) -> Path:
    """Give the table in a folder, or the file that is given itself."""
    return given / 'table.json' if given.is_dir() else given


def read_tables(paths: Sequence[Path], score: str) -> tuple[Score, list[Method]]:
    """Read the lines of tables as ``irbox test`` writes them (``table.json``).

    Args:
        paths: Files, or folders that hold a ``table.json``.
        score: Which, such as ``psnr``.

    Returns:
        What the tables say of the score, and every line that has it, the degraded images' once.
        Names get their protocol behind them where there are several, one that stands twice its
        table's folder, and a number where that does not suffice.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is no such table, or has no such score, or no line has a finite one.
    """
    about = Score(score)
    found: list[Method] = []
    folders: list[str] = []
    for path in map(table_file, paths):
        if not path.is_file():
            raise FileNotFoundError(f'{path} does not exist: irbox test writes it.')
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            scores, lines = dict(content['scores']), content['lines']
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is no table.json as irbox test writes it.') from error
        if score not in scores:
            raise ValueError(f'{path} has no score {score!r}. {suggest(score, list(scores))}')
        told = scores[score]
        about = Score(score, told.get('unit', ''), told.get('higher_is_better') is False)
        for line in lines:
            values = {
                column: float(cell[score])
                for column, cell in line['scores'].items()
                if isinstance(cell, dict) and _is_finite(cell.get(score))
            }
            likely = line.get('likely_protocol')
            protocol = line.get('protocol') or (f'likely {likely}' if likely else 'not known')
            method = Method(str(line['method']), str(line['source']), values, protocol)
            if values and method not in found:
                found.append(method)
                folders.append(path.parent.name)
    if not found:
        raise ValueError(f'--score {score}: no line has a finite {score}. Choose another.')
    return about, _with_own_names(found, folders)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _with_own_names(methods: Sequence[Method], folders: Sequence[str]) -> list[Method]:
    several = len({one.protocol for one in methods}) > 1
    found: dict[str, Method] = {}
    for one, folder in zip(methods, folders, strict=True):
        plain = f'{one.name} ({one.protocol})' if several else one.name
        name = plain if plain not in found else f'{plain} ({folder})'
        number = 1
        while name in found:
            number += 1
            name = f'{plain} ({folder}) {number}'
        found[name] = replace(one, name=name)
    return list(found.values())


def columns_of(methods: Sequence[Method]) -> list[str]:
    """Give the columns that every method has, in the first one's order.

    Raises:
        ValueError: They share none.
    """
    found = [column for column in methods[0].values if all(column in one.values for one in methods)]
    if not found:
        raise ValueError(f'{", ".join(one.name for one in methods)} share no column.')
    return found


def spokes(
    methods: Sequence[Method], columns: Sequence[str], lower_is_better: bool = False
) -> dict[str, tuple[float, float]]:
    """Give the ends of each column, middle and rim: from a tenth below its worst value to its best.

    A tenth of its range; where all are equal, of 1.

    Args:
        methods: One or more, with all columns.
        columns: Which.
        lower_is_better: The rim is the lowest value then, and the middle a tenth above the highest.
    """
    found = {}
    for column in columns:
        values = [one.values[column] for one in methods]
        worst, best = min(values), max(values)
        reach = (best - worst) or 1.0
        if lower_is_better:
            worst, best, reach = best, worst, -reach
        found[column] = (worst - reach / 10, best)
    return found


def analyze(methods: Sequence[Method], score: Score, output: Output) -> None:
    """Draw bars and a radar of what all methods have, and write the numbers.

    Args:
        methods: One or more.
        score: What their values are.
        output: Where everything is written.
    """
    columns = columns_of(methods)
    rows = [
        {'method': one.name, 'source': one.source, 'protocol': one.protocol}
        | {c: one.values[c] for c in columns}
        for one in methods
    ]
    output.rows(rows, 'summary')
    ranges = spokes(methods, columns, score.lower_is_better)
    output.numbers({'score': score.text, 'methods': rows, 'spokes': ranges}, 'summary')
    _bars(methods, columns, score, output)
    # An average is no task, and two spokes are no radar.
    tasks = [column for column in columns if column not in ('average', 'mean')]
    if len(tasks) > 2:
        _radar(methods, tasks, score, output)


def _bars(methods: Sequence[Method], columns: Sequence[str], score: Score, output: Output) -> None:
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
        axis.set_ylabel(_axis(score, methods))
        axis.margins(y=0.2)
        figure.legend(loc='outside upper center', ncols=min(4, len(methods)))
        output.figure(figure, 'summary_bars')


def _radar(methods: Sequence[Method], columns: Sequence[str], score: Score, output: Output) -> None:
    kinds = marks([one.name for one in methods])
    ranges = spokes(methods, columns, score.lower_is_better)
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
        axis.set_title(f'{_axis(score, methods)}; each spoke has its own range', fontsize=7)
        figure.legend(loc='outside lower center', ncols=min(3, len(methods)))
        output.figure(figure, 'summary_radar')


def _axis(score: Score, methods: Sequence[Method]) -> str:
    """Name the protocol, too; where there are several, the names of the methods do."""
    protocols = {one.protocol for one in methods}
    return score.text if len(protocols) > 1 else f'{score.text}, protocol {methods[0].protocol}'


def _name(one: Method) -> str:
    return legend_text(one.name if one.source == 'measured' else f'{one.name}, {one.source}')
