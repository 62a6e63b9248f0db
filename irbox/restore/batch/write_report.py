"""Everything that is known of each picture of a batch, for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import irbox
from irbox.restore.batch.job import Outcome
from irbox.utils.files import atomic_write
from irbox.utils.optional import require

AT_ONCE = 1000
"""Rows of a Parquet file that are kept in memory."""

Add = Callable[..., None]


@contextmanager
def open_report(path: Path | None, settings: Mapping[str, Any]) -> Iterator[Add]:
    """Write a report, whole or not at all, while outcomes come.

    Args:
        path: ``.parquet`` gives a table (extra ``parquet``) that is written as it grows, any other
            name JSON; None gives nothing.
        settings: What was asked for.

    Yields:
        A function that adds an ``Outcome``; names of source and target may be given where they are
        no paths.
    """
    if path is None:
        yield lambda outcome, source=None, target=None: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.parquet':
        yield from _parquet(path, settings)
        return
    entries: list[dict[str, Any]] = []
    yield lambda *given: entries.append(_entry(*given))
    content = {'irbox': irbox.__version__, 'settings': dict(settings), 'pictures': entries}
    with atomic_write(path, 'w') as file:
        json.dump(content, file, indent=2, default=str, allow_nan=False)


def is_report(path: Path) -> bool:
    """Tell whether a file was written by this module."""
    if path.suffix == '.parquet':
        parquet = require('pyarrow.parquet', package='pyarrow', needed_by=f'--report {path}')
        try:
            return b'irbox' in (parquet.read_schema(path).metadata or {})
        except (ValueError, OSError):
            return False
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, OSError):
        return False
    return isinstance(content, dict) and {'irbox', 'pictures'} <= content.keys()


def _entry(
    outcome: Outcome, source: str | None = None, target: str | None = None
) -> dict[str, Any]:
    names = {
        'source': source or str(outcome.job.source),
        'target': target or str(outcome.job.target),
        'status': outcome.status,
    }
    if outcome.status == 'skipped':
        return names
    return names | {
        'reason': outcome.reason,
        'notes': outcome.notes,
        'megapixels': round(outcome.megapixels, 6),
        'seconds': round(outcome.seconds, 3),
        'models': outcome.details,
    }


def _parquet(path: Path, settings: Mapping[str, Any]) -> Iterator[Add]:
    parquet = require('pyarrow.parquet', package='pyarrow', needed_by=f'--report {path}')
    import pyarrow

    texts = [(name, pyarrow.string()) for name in ('source', 'target', 'status', 'reason')]
    numbers = [(name, pyarrow.float64()) for name in ('megapixels', 'seconds')]
    others = [('notes', pyarrow.list_(pyarrow.string())), ('models', pyarrow.string())]
    told = {'irbox': irbox.__version__, 'settings': json.dumps(dict(settings), default=str)}
    schema = pyarrow.schema([*texts, *numbers, *others], metadata=told)
    rows: list[dict[str, Any]] = []

    with atomic_write(path) as file, parquet.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            rows.clear()

        def add(*given: Any) -> None:
            entry = _entry(*given)
            if 'models' in entry:
                entry['models'] = json.dumps(entry['models'], default=str)
            rows.append(entry)
            if len(rows) >= AT_ONCE:
                flush()

        yield add
        if rows:
            flush()
