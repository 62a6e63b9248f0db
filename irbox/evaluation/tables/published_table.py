"""The tables that the papers print, number by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irbox.registry import suggest

FOLDER = Path(__file__).parents[1] / 'published'

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
    """What ``tools/test.py --published`` takes."""
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
        """Where the numbers stand."""
        return f'{self.paper}, Table {self.table}'

    def match(self, tasks: Iterable[str]) -> list[str | None]:
        """The task that belongs into each column, or None.

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
    """Names of all tables."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


def read_published(name: str) -> PublishedTable:
    """Read a table.

    Raises:
        ValueError: No table has this name.
    """
    import yaml

    if name not in published_names():
        raise ValueError(
            f'No published table is called {name!r}. {suggest(name, published_names())}'
        )
    content = yaml.safe_load((FOLDER / f'{name}.yaml').read_text(encoding='utf-8'))
    scores = tuple(content['scores'])
    exceptions = content.get('protocols', {})
    rows = tuple(
        PublishedRow(
            method=row['method'],
            cells=tuple(_cell(text, scores) for text in row['printed'].split()),
            average=_cell(row['average'], scores) if 'average' in row else None,
            protocol=exceptions.get(row['method'], content['protocol']),
            venue=row.get('venue', ''),
            group=row.get('group', ''),
        )
        for row in content['rows']
    )
    return PublishedTable(
        name=name,
        paper=content['paper'],
        table=content['table'],
        caption=content['caption'],
        scores=scores,
        columns=tuple(_column(column) for column in content['columns']),
        rows=rows,
        average=content.get('average'),
        confidence=content['confidence'],
        notes=tuple(content['notes']),
    )


def find_published(tasks: Sequence[str]) -> PublishedTable:
    """The table whose columns are exactly these tasks.

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


def _column(content: Mapping[str, Any]) -> PublishedColumn:
    return PublishedColumn(content['title'], tuple(content['tasks']))


def _cell(text: str, scores: Sequence[str]) -> Cell:
    return dict(zip(scores, text.split('/'), strict=True))
