"""A table as papers print it: a column per set and task, a line per method, the average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from irbox.evaluation.protocols import PROTOCOLS, TILED
from irbox.evaluation.score_info import SIMILARITY, ScoreInfo
from irbox.evaluation.tables.published_table import PublishedTable
from irbox.evaluation.tables.results import Row
from irbox.evaluation.tables.tasks import MEAN, mean_of_tasks

INPUT = 'input_'

Cell = Mapping[str, float | str]
"""Score to its value: a number that was measured, or text as it was printed."""


@dataclass(frozen=True)
class Origin:
    """What was measured: a table names it wherever it goes."""

    config: str
    checkpoint: str
    sha256: str
    """Of the checkpoint's file."""

    @property
    def short(self) -> str:
        """Give the first twelve digits of the hash."""
        return self.sha256[:12]


@dataclass(frozen=True)
class Line:
    """A method's line."""

    method: str
    source: str
    """``measured``, or ``as published (M2IR, Table I)``."""
    protocol: str | None
    """What the scores follow; for published ones, what they most likely follow, if anything is
    known."""
    cells: tuple[Cell, ...]
    """One for each column; empty where there is nothing."""
    average: Cell

    @property
    def published(self) -> bool:
        """Tell whether a paper printed it, and nobody measured it here."""
        return self.source.startswith('as published')

    @property
    def protocol_text(self) -> str:
        """Name the protocol for readers, who must see what is a guess."""
        if not self.published:
            return str(self.protocol)
        return f'likely {self.protocol}' if self.protocol else 'not known'


@dataclass(frozen=True)
class ScoreTable:
    """Lines of scores, and what a reader must know of them."""

    title: str
    columns: tuple[str, ...]
    scores: tuple[str, ...]
    average: str | None
    """What the average is of; None: there is none."""
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    origin: Origin
    infos: Mapping[str, ScoreInfo] = field(default_factory=dict)
    """What is declared of the scores."""

    def info(self, score: str) -> ScoreInfo:
        """Give what is declared of a score, or the defaults for one that a paper alone has."""
        return self.infos.get(score, ScoreInfo())


def score_table(
    rows: Sequence[Row],
    origin: Origin,
    layout: PublishedTable | None = None,
    published: bool = False,
    infos: Mapping[str, ScoreInfo] | None = None,
) -> ScoreTable:
    """Lay out results as a table: the degraded images, and what became of them.

    Args:
        rows: Of one or several protocols, their means included.
        origin: What was measured.
        layout: Take the columns of this table, and its rule for the average. Tasks that it has no
            column for are left out. By default each task is a column, and the average is of all.
        published: Set the lines of ``layout`` below, as printed, marked as published.
        infos: What metrics declare of their scores (``ImageMetric.scores``).

    Raises:
        ValueError: None of the tasks has a column in ``layout``, or two have the same.
    """
    tasks = [task for task in dict.fromkeys(row.task for row in rows) if task != MEAN]
    matched: list[str | None] = list(tasks)
    columns, average, left_out = tuple(tasks), None, []
    if layout is not None:
        matched = layout.match(tasks)
        if not any(matched):
            raise ValueError(
                f'None of the tasks {", ".join(tasks)} has a column in {layout.label}, which has '
                f'{", ".join(column.tasks[0] for column in layout.columns)}.'
            )
        columns, average = tuple(column.title for column in layout.columns), layout.average
        left_out = [task for task in tasks if task not in matched]
    elif len(tasks) > 1:
        average = f'mean of the {len(tasks)} columns'
    infos = {**SIMILARITY, **(infos or {})}
    extra = (name.removeprefix(INPUT) for row in rows for name in row.extra)
    scores = ['psnr', 'ssim', *dict.fromkeys(extra)]
    if layout is not None and published:
        scores += [score for score in layout.scores if score not in scores]
    lines: list[Line] = []
    for protocol in dict.fromkeys(row.protocol for row in rows):
        row_of_task = {row.task: row for row in rows if row.protocol == protocol}
        before, after = (
            tuple(_cell(row_of_task.get(task or ''), degraded) for task in matched)
            for degraded in (True, False)
        )
        for method, cells, others in (('degraded', before, after), (origin.config, after, before)):
            mean = {} if average is None else _average(cells, others, infos)
            lines.append(Line(method, 'measured', protocol, cells, mean))
    notes = _notes(rows, origin, average, left_out, None in matched)
    infinite = _infinite(columns, lines)
    if average is not None and 0 < len(infinite) < len(columns):
        notes.append(
            'Infinite, as of images that equal the clean ones, and left out of that average: '
            f'{", ".join(infinite)}.'
        )
    if layout is not None and published:
        source = f'as published ({layout.label})'
        lines += [
            Line(row.method, source, row.protocol, row.cells, row.average or {})
            for row in layout.rows
        ]
    lower = [
        info.title or name.upper()
        for name, info in infos.items()
        if name in scores and info.higher_is_better is False
    ]
    if lower:
        notes.append(f'Lower is better: {", ".join(lower)}.')
    if layout is not None and published:
        notes += _published_notes(layout)
    title = f'{origin.config}, in the columns of {layout.label}' if layout else origin.config
    return ScoreTable(
        title, columns, tuple(scores), average, tuple(lines), tuple(notes), origin, infos
    )


def _cell(row: Row | None, degraded: bool) -> Cell:
    if row is None:
        return {}
    if degraded:
        before = {name: value for name, value in row.extra.items() if name.startswith(INPUT)}
        extra = {name.removeprefix(INPUT): value for name, value in before.items()}
        return {'psnr': row.input_psnr, 'ssim': row.input_ssim, **extra}
    after = {name: value for name, value in row.extra.items() if not name.startswith(INPUT)}
    return {'psnr': row.psnr, 'ssim': row.ssim, **after}


def _average(
    cells: Sequence[Cell], others: Sequence[Cell], infos: Mapping[str, ScoreInfo]
) -> dict[str, float]:
    """Average the cells, of the scores that all of them have, by the rule of ``mean_of_tasks``.

    ``others`` are those of the degraded images where these are of the restored ones, and the other
    way round.
    """
    found = {}
    for score in cells[0]:
        averaged = score not in infos or infos[score].averaged
        if averaged and all(score in cell for cell in cells):
            sides = {
                name: {str(n): float(cell[score]) for n, cell in enumerate(side) if score in cell}
                for name, side in ((score, cells), (f'{INPUT}{score}', others))
            }
            found[score] = mean_of_tasks(sides, score)
    return found


def _infinite(columns: Sequence[str], lines: Sequence[Line]) -> list[str]:
    """The columns in which a score of these lines is infinite."""
    return [
        title
        for title, *cells in zip(columns, *(line.cells for line in lines), strict=True)
        if any(math.isinf(float(value)) for cell in cells for value in cell.values())
    ]


def _notes(
    rows: Sequence[Row], origin: Origin, average: str | None, left_out: Sequence[str], gaps: bool
) -> list[str]:
    notes = [
        f'Measured with irbox: config {origin.config}, checkpoint {origin.checkpoint} '
        f'(sha256 {origin.short}).'
    ]
    if average:
        gap = '; none where a column is empty' if gaps else ''
        notes.append(f'Average: {average}{gap}.')
    if left_out:
        notes.append(f'Without a column here: {", ".join(left_out)}.')
    for protocol in dict.fromkeys(row.protocol for row in rows):
        known = PROTOCOLS.get(protocol.partition('+tile')[0])
        if known is not None and known.note:
            notes.append(f'{protocol} is {known.note}.')
        if tiled := TILED.fullmatch(protocol):
            notes.append(
                f'{protocol}: the network saw images above {tiled["side"]} pixels a side in tiles.'
            )
    return notes


def _published_notes(layout: PublishedTable) -> list[str]:
    protocols = dict.fromkeys(row.protocol or 'not known' for row in layout.rows)
    return [
        f'Lines "as published ({layout.label})" are printed there and were not measured here. '
        f'Their protocol is what they most likely follow: {", ".join(protocols)} (confidence: '
        f'{layout.confidence}). Compare with them only what was tested on the same images by '
        'the same protocol.',
        *layout.notes,
    ]
