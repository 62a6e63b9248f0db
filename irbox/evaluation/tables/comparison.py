"""Two checkpoints on the same images, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from irbox.evaluation.score_info import SIMILARITY, ScoreInfo
from irbox.evaluation.tables.image_scores import ImageRow
from irbox.evaluation.tables.intervals import (
    CONFIDENCE,
    RESAMPLES,
    Interval,
    SignTest,
    mean_interval,
    sign_test,
)
from irbox.evaluation.tables.results import json_number
from irbox.evaluation.tables.tasks import MEAN

if TYPE_CHECKING:
    from rich.table import Table

Values = dict[str, dict[str, float]]
"""Task to the images' values by their names."""


@dataclass(frozen=True)
class Comparison:
    """What two checkpoints scored on the images of a task, or on all tasks alike (``mean``)."""

    task: str
    protocol: str
    score: str
    images: int
    first: Interval
    second: Interval
    difference: Interval
    """Of the second and the first, image by image."""
    signs: SignTest

    def content(self) -> dict[str, Any]:
        """Give what JSON can hold: no infinities, no NaN."""
        return {
            key: {name: json_number(one) for name, one in value.items()}
            if isinstance(value, dict)
            else value
            for key, value in asdict(self).items()
        }


def compare_images(
    first: Sequence[ImageRow],
    second: Sequence[ImageRow],
    scores: Sequence[str] = tuple(SIMILARITY),
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Compare, for each protocol, score and task that both have, and over the tasks.

    Args:
        first: Rows of one checkpoint.
        second: Rows of the other, of the same images.
        scores: Names of scores.
        confidence: See ``mean_interval``; also the next two.
        resamples: Number of draws.
        seed: Of the draws.

    Raises:
        ValueError: They have no protocol, score or task in common, or the images of a task differ.
    """
    protocols = [name for name in _protocols(first) if name in _protocols(second)]
    if not protocols:
        raise ValueError(
            f'The first was scored by {", ".join(_protocols(first))}, the second by '
            f'{", ".join(_protocols(second))}: only scores of one protocol can be compared.'
        )
    found = []
    for protocol in protocols:
        for score in scores:
            pair = _values(first, protocol, score), _values(second, protocol, score)
            for values, which in zip(pair, ('first', 'second'), strict=True):
                if not values:
                    raise ValueError(f'The {which} has no score {score!r} by {protocol}.')
            groups = _pairs(*pair)
            tasks = {task: [task] for task in groups}
            if len(tasks) > 1:
                tasks[MEAN] = list(groups)
            for task, members in tasks.items():
                pairs = [groups[member] for member in members]
                differences = [[_difference(a, b) for a, b in pair] for pair in pairs]
                options = (confidence, resamples, seed)
                found.append(
                    Comparison(
                        task,
                        protocol,
                        score,
                        sum(map(len, pairs)),
                        mean_interval([[a for a, _ in pair] for pair in pairs], *options),
                        mean_interval([[b for _, b in pair] for pair in pairs], *options),
                        mean_interval(differences, *options),
                        sign_test([value for group in differences for value in group]),
                    )
                )
    return found


def interval_table(
    rows: Sequence[ImageRow], infos: Mapping[str, ScoreInfo] | None = None, seed: int = 0
) -> Table:
    """Lay out means over images with their 95 % intervals, a protocol and task per line."""
    from rich.table import Table

    infos = {**SIMILARITY, **(infos or {})}
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    table = Table(title='Means over images [95 % bootstrap interval]')
    for column in ('task', 'images', *names, 'protocol'):
        side: Literal['left', 'right'] = 'left' if column in ('task', 'protocol') else 'right'
        table.add_column(column, justify=side, overflow='fold')  # no digit is left out
    for protocol in _protocols(rows):
        by_score = {name: _values(rows, protocol, name, unique=False) for name in names}
        groups = {
            name: {task: list(of.values()) for task, of in found.items()}
            for name, found in by_score.items()
        }
        tasks = list(dict.fromkeys(task for found in groups.values() for task in found))
        for task in [*tasks, *([MEAN] if len(tasks) > 1 else [])]:
            members = tasks if task == MEAN else [task]
            cells = []
            for name, found in groups.items():
                if not all(member in found for member in members):
                    cells.append('')
                    continue
                info = infos.get(name.removeprefix('input_'), ScoreInfo())
                interval = mean_interval([found[member] for member in members], seed=seed)
                cells.append(interval.text(info.digits))
            most = max(sum(len(f.get(m, ())) for m in members) for f in groups.values())
            table.add_row(task, str(most), *cells, protocol)
        table.add_section()
    return table


def comparison_table(found: Sequence[Comparison], title: str = '') -> Table:
    """Lay out comparisons: A is the first, B the second."""
    from rich.table import Table

    table = Table(title=title or None)
    for column in ('task', 'score', 'images', 'A', 'B', 'B - A', 'B higher / lower / equal', 'p'):
        side: Literal['left', 'right'] = 'left' if column in ('task', 'score') else 'right'
        table.add_column(column, justify=side, overflow='fold')
    table.add_column('protocol', overflow='fold')
    previous = None
    for one in found:
        if previous not in (None, (one.protocol, one.score)):
            table.add_section()
        previous = (one.protocol, one.score)
        digits = SIMILARITY.get(one.score.removeprefix('input_'), ScoreInfo()).digits
        signs = one.signs
        table.add_row(
            one.task,
            one.score,
            str(one.images),
            one.first.text(digits),
            one.second.text(digits),
            one.difference.text(digits + 1, '+'),
            f'{signs.higher} / {signs.lower} / {signs.equal}',
            f'{signs.p:.2g}',
            one.protocol,
        )
    return table


def _protocols(rows: Sequence[ImageRow]) -> list[str]:
    return list(dict.fromkeys(row.protocol for row in rows))


def _difference(first: float, second: float) -> float:
    """Subtract; two equal infinities, of images that are equal to the clean ones, give 0."""
    return 0.0 if first == second else second - first


def _values(rows: Sequence[ImageRow], protocol: str, score: str, unique: bool = True) -> Values:
    found: Values = {}
    for number, row in enumerate(rows):
        if row.protocol != protocol or score not in row.scores:
            continue
        of_task = found.setdefault(row.task, {})
        if row.image in of_task and unique:
            raise ValueError(
                f'The image {row.image} of the task {row.task} is there twice: without a name of '
                'its own an image cannot be paired.'
            )
        of_task[row.image if unique else str(number)] = row.scores[score]
    return found


def _pairs(first: Values, second: Values) -> dict[str, list[tuple[float, float]]]:
    """Pair the values of each task that both have, in the order of the first."""
    shared = [task for task in first if task in second]
    if not shared:
        raise ValueError(
            f'The first has the tasks {", ".join(first)}, the second {", ".join(second)}: none is '
            'in both.'
        )
    for task in shared:
        alone = [i for i in first[task] if i not in second[task]]
        alone += [i for i in second[task] if i not in first[task]]
        if alone:
            more = f' and {len(alone) - 5} more' if len(alone) > 5 else ''
            raise ValueError(
                f'Of the task {task}, {", ".join(alone[:5])}{more} were scored for one of the two '
                'only. Test both checkpoints on the same images.'
            )
    return {task: [(first[task][i], second[task][i]) for i in first[task]] for task in shared}
