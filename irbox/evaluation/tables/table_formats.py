"""Score tables as text, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irbox.evaluation.tables.results import json_number
from irbox.evaluation.tables.score_table import Cell, Line, ScoreTable
from irbox.utils.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

AVERAGE = 'average'
NOTHING = '-'
LATEX = {
    **{character: f'\\{character}' for character in '&%$#_{}'},
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    'σ': r'$\sigma$',
}


def text_tables(table: ScoreTable, width: int | None = None) -> list[Table]:
    """Make tables for the terminal; columns are dealt out to several where one is too wide.

    Args:
        table: What to show.
        width: Characters in a line; no limit by default.
    """
    from rich.table import Table

    titles = [*table.columns, *([AVERAGE] if table.average else [])]
    # Narrow tables have two scores on a line.
    chunk = len(table.scores) if width is None else 2
    cells = [
        [_cell_text(cell, table, chunk) for cell in _cells(table, line)] for line in table.lines
    ]
    # Three characters stand between two columns.
    fixed = sum(
        3 + max(len(text) for text in texts)
        for texts in (
            [text for line in table.lines for text in (line.method, *_heading(line))],
            [line.protocol_text for line in table.lines],
        )
    )
    needed = [
        3 + max(len(part) for text in [*title.split(), *column] for part in text.split('\n'))
        for title, *column in zip(titles, *cells, strict=True)
    ]
    tables = []
    for number, part in enumerate(_parts(needed, None if width is None else width - fixed - 1)):
        grid = Table(title=table.title if number == 0 else None)
        grid.add_column('method', no_wrap=True)
        for i in part:
            grid.add_column(titles[i], justify='right', max_width=needed[i] - 3)
        grid.add_column('protocol', no_wrap=True)
        previous: tuple[str, Any] | None = None
        for line, row in zip(table.lines, cells, strict=True):
            group = (line.source, line.published or line.protocol)
            if group != previous:
                grid.add_section()
                for heading in _heading(line):
                    grid.add_row(heading)
            previous = group
            grid.add_row(line.method, *(row[i] for i in part), line.protocol_text)
        tables.append(grid)
    return tables


def table_notes(table: ScoreTable) -> list[str]:
    """Give what stands below a table: what is in a cell, and the table's own notes."""
    return [_cells_note(table), *table.notes]


def to_text(table: ScoreTable) -> str:
    """Write plain text: the table, however wide, and its notes."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=10_000, color_system=None)
    for one in text_tables(table):
        one.title_justify = 'left'
        console.print(one)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    return '\n'.join([*lines, *table_notes(table)]) + '\n'


def to_csv(table: ScoreTable) -> str:
    """Write a line per method; measured values in full, published ones as printed."""
    titles = [*table.columns, *([AVERAGE] if table.average else [])]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    head = ['method', 'source', 'protocol', 'config', 'checkpoint_sha256']
    writer.writerow(head + [f'{title} {_name(table, s)}' for title in titles for s in table.scores])
    for line in table.lines:
        origin = ['', ''] if line.published else [table.origin.config, table.origin.short]
        values = [cell.get(score, '') for cell in _cells(table, line) for score in table.scores]
        writer.writerow([line.method, line.source, line.protocol_text, *origin, *values])
    return file.getvalue()


def to_json(table: ScoreTable) -> str:
    """Write everything, measured values as numbers and published ones as printed."""
    titles = [*table.columns, *([AVERAGE] if table.average else [])]
    content: dict[str, Any] = {
        'title': table.title,
        'origin': asdict(table.origin),
        'average': table.average,
        'scores': {
            score: {
                'unit': table.info(score).unit,
                'higher_is_better': table.info(score).higher_is_better,
            }
            for score in table.scores
        },
        'notes': table.notes,
        'lines': [
            {
                'method': line.method,
                'source': line.source,
                ('likely_protocol' if line.published else 'protocol'): line.protocol,
                'scores': {
                    title: {score: json_number(value) for score, value in cell.items()}
                    for title, cell in zip(titles, _cells(table, line), strict=True)
                },
            }
            for line in table.lines
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + '\n'


def to_latex(table: ScoreTable) -> str:
    r"""Write a ``table`` environment for ``\usepackage{booktabs}``, the notes as comments above."""
    titles = [*table.columns, *([AVERAGE] if table.average else [])]
    lines = [
        *(f'% {_latex(note)}' for note in table.notes),
        r'\begin{table}',
        r'\centering',
        rf'\caption{{{_latex(f"{table.title}. {_cells_note(table)}")}}}',
        rf'\begin{{tabular}}{{ll{"c" * len(titles)}}}',
        r'\toprule',
        ' & '.join(['Method', 'Protocol', *map(_latex, titles)]) + r' \\',
    ]
    source = ''
    for line in table.lines:
        if line.source != source:
            source = line.source
            lines += [
                r'\midrule',
                rf'\multicolumn{{{len(titles) + 2}}}{{l}}{{\textit{{{_latex(source)}}}}} \\',
            ]
        cells = [_cell_text(cell, table) for cell in _cells(table, line)]
        lines.append(' & '.join(map(_latex, [line.method, line.protocol_text, *cells])) + r' \\')
    return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', r'\end{table}']) + '\n'


FORMATS = {'txt': to_text, 'csv': to_csv, 'json': to_json, 'tex': to_latex}


def write_tables(table: ScoreTable, folder: str | Path) -> list[Path]:
    """Write ``table.txt``, ``table.csv``, ``table.json`` and ``table.tex``; each appears whole."""
    paths = [Path(folder, f'table.{suffix}') for suffix in FORMATS]
    for path, render in zip(paths, FORMATS.values(), strict=True):
        write_text(path, render(table))
    return paths


def _cells(table: ScoreTable, line: Line) -> list[Cell]:
    return [*line.cells, *([line.average] if table.average else [])]


def _cells_note(table: ScoreTable) -> str:
    return f'Cells: {" / ".join(table.info(score).heading(score) for score in table.scores)}.'


def _cell_text(cell: Cell, table: ScoreTable, chunk: int | None = None) -> str:
    """Print the scores of a cell, a chunk of them in each line."""
    if not cell:
        return NOTHING
    values = [_value(cell.get(score), table.info(score).digits) for score in table.scores]
    size = chunk or len(values)
    return '\n'.join(' / '.join(values[i : i + size]) for i in range(0, len(values), size))


def _value(value: float | str | None, digits: int) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    return value if isinstance(value, str) else f'{value:.{digits}f}'


def _name(table: ScoreTable, score: str) -> str:
    return table.info(score).title or score.upper()


def _heading(line: Line) -> list[str]:
    """Give what stands above lines that were not measured here."""
    what, _, where = line.source.partition(' (')
    return [what, f'({where}:'] if line.published else []


def _parts(needed: Sequence[int], room: int | None) -> list[list[int]]:
    """Deal out numbers of columns, as many together as there is room for."""
    parts: list[list[int]] = [[]]
    for i, width in enumerate(needed):
        taken = sum(needed[j] for j in parts[-1])
        if room is not None and parts[-1] and taken + width > room:
            parts.append([])
        parts[-1].append(i)
    return parts


def _latex(text: str) -> str:
    return ''.join(LATEX.get(character, character) for character in text)
