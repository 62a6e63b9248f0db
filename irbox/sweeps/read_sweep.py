"""Reading sweep files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irbox.config.check_values import check_keys
from irbox.registry import suggest
from irbox.sweeps.sweep import (
    NAME,
    PUBLISHED,
    ROW_KEYS,
    SCORES,
    SWEEP_KEYS,
    Row,
    Sweep,
    read_mapping,
)

DEFAULT_SEEDS = (0, 1, 2)


def read_sweep(path: str | Path) -> Sweep:
    """Read and check a sweep file; see ``docs/ablations.md`` for what it may say.

    Args:
        path: A YAML file with ``title`` and ``rows``. Paths in it are relative to it.

    Raises:
        FileNotFoundError: The file, a base or a row's config does not exist.
        ValueError: The file says something that a sweep does not understand.
    """
    path = Path(path).expanduser()
    content = read_mapping(path)
    try:
        return _sweep(path, content)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f'Sweep {path}: {error}') from error


def _sweep(path: Path, content: Mapping[str, Any]) -> Sweep:
    check_keys(content, SWEEP_KEYS, '')
    if not isinstance(content.get('rows'), list) or not content['rows']:
        raise ValueError('it needs `rows`, a list with at least one row.')
    bases = {
        name: _file(path, file, f'bases.{name}')
        for name, file in _mapping(content.get('bases'), 'bases').items()
    }
    rows = tuple(
        _row(path, row, f'rows.{index}', bases) for index, row in enumerate(content['rows'])
    )
    names = [row.name for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f'two rows are called {twice[0]!r}. Give each a `name` of its own.')
    score = content.get('score', 'psnr')
    if score not in SCORES:
        raise ValueError(f'score: {score!r} is unknown. {suggest(str(score), SCORES)}')
    notes = _mapping(content.get('notes'), 'notes')
    check_keys(notes, bases, 'notes')
    return Sweep(
        path=path,
        title=str(content.get('title', path.stem)),
        rows=rows,
        bases=bases,
        seeds=check_seeds(content.get('seeds', DEFAULT_SEEDS), 'seeds'),
        score=score,
        source=str(content.get('source', '')),
        notes=notes,
        resources=_mapping(content.get('resources'), 'resources'),
    )


def check_seeds(seeds: Any, place: str) -> tuple[int, ...]:
    """Refuse seeds other than whole numbers from 0, each once.

    Raises:
        ValueError: They are not.
    """
    numbers = tuple(seeds) if isinstance(seeds, (list, tuple)) else (seeds,)
    good = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    if not numbers or not good or len(set(numbers)) < len(numbers):
        raise ValueError(f'{place}: {seeds!r} must be whole numbers from 0, each once.')
    return numbers


def _row(path: Path, given: Any, place: str, bases: Mapping[str, Path]) -> Row:
    if not isinstance(given, Mapping):
        raise ValueError(f'{place}: {given!r} must be a mapping, such as {{config: no_dacp.yaml}}.')
    check_keys(given, ROW_KEYS, place)
    config = _file(path, given['config'], f'{place}.config') if given.get('config') else None
    if config is None and not bases:
        raise ValueError(f'{place}: without `bases` a row needs `config`.')
    if config is not None and bases and config.suffix not in ('.yaml', '.yml'):
        raise ValueError(f'{place}.config: {config} changes a base and must be YAML.')
    name = str(given.get('name') or (config.stem if config else ''))
    if not NAME.fullmatch(name):
        raise ValueError(f'{place}.name: {name!r} must be letters, digits, dots, - and _.')
    published = _mapping(given.get('published'), f'{place}.published')
    check_keys(published, PUBLISHED, f'{place}.published')
    for key, value in published.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f'{place}.published.{key}: {value!r} must be a number.')
    on = _mapping(given.get('options_on'), f'{place}.options_on')
    check_keys(on, bases, f'{place}.options_on')
    return Row(
        name=name,
        label=str(given.get('label') or name),
        config=config,
        checkpoint=_place(path, given['checkpoint']) if given.get('checkpoint') else None,
        options=_mapping(given.get('options'), f'{place}.options'),
        options_on={
            bases[base]: _mapping(value, f'{place}.options_on.{base}') for base, value in on.items()
        },
        published=published,
        resources=_mapping(given.get('resources'), f'{place}.resources'),
    )


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f'{place}: {value!r} must be a mapping.')
    return value


def _file(path: Path, name: Any, place: str) -> Path:
    file = _place(path, name)
    if not file.is_file():
        raise FileNotFoundError(f'{place}: {file} does not exist.')
    return file


def _place(path: Path, name: Any) -> Path:
    return Path(os.path.normpath(path.parent / Path(str(name)).expanduser()))
