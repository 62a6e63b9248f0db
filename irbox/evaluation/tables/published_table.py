"""The tables that the papers print, number by number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from irbox.registry import suggest

FOLDER = Path(__file__).parents[1] / 'published'

_TABLE = (
    'paper',
    'table',
    'caption',
    'scores',
    'columns',
    'rows',
    'average',
    'protocol',
    'protocols',
    'confidence',
    'notes',
)
_ROW = ('method', 'printed', 'average', 'venue', 'group')
_LISTS = ('scores', 'columns', 'tasks', 'rows', 'notes')

Cell = Mapping[str, str]
"""Score to its number, as printed."""


@dataclass(frozen=True)
class PublishedColumn:
    """One test set of a table."""

    title: str
    tasks: tuple[str, ...]
    """What the task is called in a test of ours: the first is the name in our configs."""


@dataclass(frozen=True)
class PublishedRow:
    """One method of a table."""

    method: str
    cells: tuple[Cell, ...]
    """One for each column."""
    average: Cell | None
    """As printed; some papers' averages are not those of their columns."""
    protocol: str | None
    """What the row most likely follows; None where that is not known."""
    venue: str = ''
    group: str = ''


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper. Its numbers are the paper's, and were not measured by irbox."""

    name: str
    """What ``tools/test.py --published`` takes; of a file of one's own, its stem."""
    paper: str
    table: str
    caption: str
    scores: tuple[str, ...]
    columns: tuple[PublishedColumn, ...]
    rows: tuple[PublishedRow, ...]
    average: str | None
    """What the average is of; None where the table has none."""
    confidence: str
    """How sure the protocols of the rows are."""
    notes: tuple[str, ...]

    @property
    def label(self) -> str:
        """Say where the numbers stand."""
        return f'{self.paper}, Table {self.table}' if self.table else self.paper

    def match(self, tasks: Iterable[str]) -> list[str | None]:
        """Find the task that belongs into each column, or None.

        A task is known by its name, or by what stands behind the slash of ``set/degradation``.

        Raises:
            ValueError: Two tasks belong into one column.
        """
        names = list(tasks)
        found: list[str | None] = []
        for column in self.columns:
            fits = [name for name in names if name in column.tasks]
            fits = fits or [name for name in names if name.rpartition('/')[2] in column.tasks]
            if len(fits) > 1:
                raise ValueError(
                    f'{" and ".join(fits)} both belong into the column {column.title!r} of '
                    f'{self.label}. Test one of them.'
                )
            found.append(fits[0] if fits else None)
        return found


def published_names() -> list[str]:
    """Give the names of the tables that come with irbox."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


def read_published(name: str) -> PublishedTable:
    """Read a table.

    Args:
        name: Of a table that comes with irbox, or the path of one of your own, which ends in
            ``.yaml``; ``docs/metrics.md`` says what stands in it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No table has this name, or the file is wrong.

    Examples:
        >>> table = read_published('m2ir_1')
        >>> table.label, table.rows[-1].method, table.rows[-1].cells[0]
        ('M2IR, Table I', 'M2IR', {'psnr': '32.63', 'ssim': '0.984'})
    """
    is_path = name.endswith(('.yaml', '.yml'))
    if not is_path and name not in published_names():
        raise ValueError(
            f'No published table is called {name!r}. {suggest(name, published_names())} A table of '
            'your own is named by its path, which ends in .yaml.'
        )
    path = Path(name).expanduser() if is_path else FOLDER / f'{name}.yaml'
    if not path.is_file():
        raise FileNotFoundError(
            f'The published table {path} does not exist (looked from {Path.cwd()}).'
        )
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    _check(content, str(path), _TABLE, ('paper', 'scores', 'columns', 'rows'))
    scores = tuple(map(str, content['scores']))
    columns = tuple(
        _column(column, f'{path}: columns.{i}') for i, column in enumerate(content['columns'])
    )
    protocols = content.get('protocols') or {}
    _check(protocols, f'{path}: protocols', (), (), any_key=True)
    rows = []
    for i, row in enumerate(content['rows']):
        where = f'{path}: rows.{i}'
        _check(row, where, _ROW, ('method', 'printed'))
        protocol = protocols.get(row['method'], content.get('protocol'))
        rows.append(_row(row, where, scores, len(columns), protocol))
    return PublishedTable(
        name=path.stem,
        paper=str(content['paper']),
        table=str(content.get('table') or ''),
        caption=str(content.get('caption') or ''),
        scores=scores,
        columns=columns,
        rows=tuple(rows),
        average=content.get('average'),
        confidence=str(content.get('confidence') or 'not said'),
        notes=tuple(map(str, content.get('notes') or ())),
    )


def find_published(tasks: Sequence[str]) -> PublishedTable:
    """Find the table, of those that come with irbox, whose columns are exactly these tasks.

    Raises:
        ValueError: There is none; the message names those that have some of the tasks.
    """
    near = []
    for name in published_names():
        table = read_published(name)
        matched = [task for task in table.match(tasks) if task is not None]
        if len(matched) == len(table.columns) == len(tasks):
            return table
        if matched:
            near.append(f'{name} ({", ".join(matched)})')
    raise ValueError(
        f'No published table has exactly the tasks {", ".join(tasks)}. Name one with '
        f'--published TABLE: {"; ".join(near) or ", ".join(published_names())}.'
    )


def _column(content: Any, where: str) -> PublishedColumn:
    _check(content, where, ('title', 'tasks'), ('title', 'tasks'))
    return PublishedColumn(str(content['title']), tuple(content['tasks']))


def _row(
    row: Mapping[str, Any], where: str, scores: Sequence[str], columns: int, protocol: str | None
) -> PublishedRow:
    printed = _text(row, 'printed', where).split()
    if len(printed) != columns:
        raise ValueError(
            f'{where}: printed has {len(printed)} cells, and there are {columns} columns. Separate '
            'cells by spaces.'
        )
    average = _text(row, 'average', where) if row.get('average') is not None else None
    return PublishedRow(
        method=str(row['method']),
        cells=tuple(_cell(text, scores, where) for text in printed),
        average=_cell(average, scores, where) if average is not None else None,
        protocol=protocol,
        venue=str(row.get('venue') or ''),
        group=str(row.get('group') or ''),
    )


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    """Give a text that YAML has not read as a number, which would lose its last zeros."""
    text = row[key]
    if not isinstance(text, str):
        raise ValueError(f"{where}: {key}={text!r} must be text: put it in quotes ('30.10').")
    return text


def _cell(text: str, scores: Sequence[str], where: str) -> Cell:
    values = text.split('/')
    if len(values) != len(scores):
        raise ValueError(
            f'{where}: {text!r} must hold {len(scores)} scores ({", ".join(scores)}) with slashes '
            'between them; - stands for a missing one.'
        )
    for value in values:
        if value != '-' and not re.fullmatch(r'-?\d+(\.\d+)?', value):
            raise ValueError(f'{where}: {value!r} in {text!r} is no number.')
    return {score: value for score, value in zip(scores, values, strict=True) if value != '-'}


def _check(
    content: Any,
    where: str,
    known: Sequence[str],
    needed: Sequence[str],
    any_key: bool = False,
) -> None:
    """Refuse what is no mapping with the keys that are known, the needed ones among them.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f'{where} must be a mapping, got {content!r}.')
    for key in content:
        if not any_key and key not in known:
            raise ValueError(f'{where} takes no {key!r}. {suggest(str(key), known)}')
    if missing := [key for key in needed if not content.get(key)]:
        raise ValueError(f'{where} needs {" and ".join(missing)}.')
    for key in _LISTS:
        value = content.get(key)
        if key in known and value is not None and not isinstance(value, list):
            raise ValueError(f'{where}: {key}={value!r} must be a list.')
