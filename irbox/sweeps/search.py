"""What a search looks for: values of config keys, tried one set after the other."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from irbox.config.check_values import check_keys
from irbox.config.load_config import load_config
from irbox.config.shipped_configs import find_config
from irbox.sweeps.sweep import read_mapping

KEYS = ('title', 'base', 'options', 'space', 'trials', 'score', 'direction', 'seed', 'pruning')
RANGE = ('low', 'high', 'log', 'step')
PRUNING = ('trials', 'iterations')
Choice = str | int | float | bool | None


@dataclass(frozen=True)
class Range:
    """Numbers between two, both included; whole ones where both are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Tell whether the numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Search:
    """A search; read from a file by ``read_search``."""

    path: Path
    title: str
    base: Path
    space: Mapping[str, Range | tuple[Choice, ...]]
    """Dotted key -> what it may be."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values by dotted key that all trials share."""
    trials: int = 20
    """Of all processes together, those that failed or were given up too."""
    score: str = 'mean/psnr'
    """Of the validations; the last one counts."""
    direction: Literal['maximize', 'minimize'] = 'maximize'
    seed: int = 0
    """Of the trainings, and of what is tried."""
    pruned_after: int = 5
    """Trials that are trained to their end; later ones are given up when worse than the median."""
    pruned_from: int = 0
    """Iterations that every trial gets."""


def read_search(path: str | Path) -> Search:
    """Read and check a search file; see ``docs/distributed.md`` for what it may say.

    Raises:
        FileNotFoundError: The file or its base does not exist.
        ValueError: The file says something that a search does not understand.
    """
    path = Path(path).expanduser()
    content = read_mapping(path)
    try:
        return _search(path, content)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f'Search {path}: {error}') from error


def _search(path: Path, content: Mapping[str, Any]) -> Search:
    check_keys(content, KEYS, '')
    if not content.get('base'):
        raise ValueError('it needs `base`, the config whose values are searched.')
    near = Path(os.path.normpath(path.parent / str(content['base'])))
    base = near if near.is_file() else find_config(Path(str(content['base'])))
    space = content.get('space')
    if not isinstance(space, Mapping) or not space:
        raise ValueError('it needs `space`: dotted keys and what each may be.')
    direction = content.get('direction', 'maximize')
    if direction not in ('maximize', 'minimize'):
        raise ValueError(f'direction: {direction!r} must be maximize or minimize.')
    pruning = content.get('pruning') or {}
    if not isinstance(pruning, Mapping):
        raise ValueError(f'pruning: {pruning!r} must be a mapping with {" and ".join(PRUNING)}.')
    check_keys(pruning, PRUNING, 'pruning')
    search = Search(
        path=path,
        title=str(content.get('title', path.stem)),
        base=base,
        space={str(key): _values(value, f'space.{key}') for key, value in space.items()},
        options=dict(content.get('options') or {}),
        trials=_number(content.get('trials', 20), 'trials', 1),
        score=str(content.get('score', 'mean/psnr')),
        direction=direction,
        seed=_number(content.get('seed', 0), 'seed', 0),
        pruned_after=_number(pruning.get('trials', 5), 'pruning.trials', 1),
        pruned_from=_number(pruning.get('iterations', 0), 'pruning.iterations', 0),
    )
    # Each value and both ends, so that a search does not find out in its third night.
    listed = {
        key: (values.low, values.high) if isinstance(values, Range) else values
        for key, values in search.space.items()
    }
    for number in range(max(map(len, listed.values()))):
        tried = {key: values[min(number, len(values) - 1)] for key, values in listed.items()}
        load_config(base, {**search.options, **tried})
    return search


def _values(given: Any, place: str) -> Range | tuple[Choice, ...]:
    if isinstance(given, list) and given:
        for value in given:
            if not isinstance(value, Choice):
                raise ValueError(
                    f'{place}: {value!r} must be a number, a text, true, false or null.'
                )
        return tuple(given)
    if not isinstance(given, Mapping):
        raise ValueError(f'{place}: {given!r} must be a list, or {{low: 1.0e-5, high: 1.0e-3}}.')
    check_keys(given, RANGE, place)
    for key in ('low', 'high', *(['step'] if 'step' in given else [])):
        value = given.get(key)
        number = None if isinstance(value, bool) else value
        if not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f'{place}.{key}: {value!r} must be a number, such as 8 or 1.0e-4.')
    if given['low'] >= given['high']:
        raise ValueError(f'{place}: low {given["low"]} must be less than high {given["high"]}.')
    if not isinstance(given.get('log', False), bool):
        raise ValueError(f'{place}.log: {given["log"]!r} must be true or false.')
    if given.get('log') and (given['low'] <= 0 or 'step' in given):
        raise ValueError(f'{place}: log needs a low above 0, and no step.')
    values = Range(**given)
    if values.step is not None and values.step <= 0:
        raise ValueError(f'{place}.step: {values.step} must be above 0.')
    if values.whole and values.step is not None and values.step % 1:
        raise ValueError(
            f'{place}.step: {values.step} must be whole where low and high are. For other numbers '
            f'between them, write low: {float(values.low)}.'
        )
    return values


def _number(value: Any, place: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f'{place}: {value!r} must be a whole number of at least {least}.')
    return value
