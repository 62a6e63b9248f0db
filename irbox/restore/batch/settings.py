"""What decides the answers of a batch: kept in a record, compared, and repeated."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from irbox.pictures import CHOICES
from irbox.restore.devices import Precision
from irbox.restore.options import Options

REPEATED = (
    'tile',
    'overlap',
    'strength',
    'degradations',
    'not_',
    'self_ensemble',
    'precision',
    'format',
    'quality',
)
"""Settings that a record keeps and ``--like`` takes over. Masks and models are files."""


@dataclass(frozen=True)
class Settings:
    """How pictures are restored and written; the meaning is that of ``irbox restore``."""

    tile: str | int | tuple[int, int] = 'auto'
    overlap: int | None = None
    precision: str = 'auto'
    strength: float = 1.0
    degradations: Mapping[str, float] | None = None
    not_: tuple[str, ...] = ()
    mask: Path | None = None
    steer_mask: Path | None = None
    self_ensemble: bool = False
    max_memory: str | None = None
    format: str = 'keep'
    quality: int | None = None
    strip: tuple[str, ...] = ()
    record: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else decides the answers, such as the digests of models: part of ``digest``."""

    def options(self) -> Options:
        """Give what the model is told."""
        return Options(
            tile=self.tile,
            overlap=self.overlap,
            strength=self.strength,
            degradations=self.degradations,
            not_=list(self.not_) or None,
            mask=self.mask,
            steer_mask=self.steer_mask,
            self_ensemble=self.self_ensemble,
            max_memory=self.max_memory,
        )

    def writing(self) -> dict[str, Any]:
        """Give what ``write_picture`` is told."""
        return {'format': self.format, 'quality': self.quality, 'strip': self.strip}

    def digest(self) -> str:
        """Give a fingerprint: equal settings give equal answers."""
        text = json.dumps(asdict(self), default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def repeated(self) -> dict[str, Any]:
        """Give what a record keeps of it, defaults left out."""
        defaults = {one.name: one.default for one in fields(self)}
        values = {name: getattr(self, name) for name in REPEATED}
        return {name: value for name, value in values.items() if value != defaults[name]}


def from_record(record: Mapping[str, Any], origin: str | Path) -> dict[str, Any]:
    """Read the settings that ``repeated`` put into a record.

    Args:
        record: As a file holds it; anybody may have changed it.
        origin: The file, for messages.

    Raises:
        ValueError: It holds none that can be repeated, or a value that is none.
    """
    given = record.get('settings')
    if not isinstance(given, Mapping):
        raise ValueError(f'The record in {origin} says nothing of how the picture was made.')
    found = {name: given[name] for name in REPEATED if name in given}
    for name, value in found.items():
        if not _CHECKS[name](value):
            raise ValueError(
                f'The record in {origin} says {name}={value!r}, which is no such setting: it was '
                'changed, or made by another version. Give the settings yourself.'
            )
    for name in ('tile', 'not_'):
        if isinstance(found.get(name), list):
            found[name] = tuple(found[name])
    return found


def _whole(value: Any, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _tile(value: Any) -> bool:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    return value in ('auto', 'none') or all(_whole(side, 1) for side in sides)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    'tile': _tile,
    'overlap': lambda value: value is None or _whole(value, 0),
    'strength': lambda value: _number(value) and value <= 1,
    'degradations': lambda value: isinstance(value, dict) and all(map(_number, value.values())),
    'not_': lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    'self_ensemble': lambda value: isinstance(value, bool),
    'precision': lambda value: value in get_args(Precision),
    'format': lambda value: value in ('keep', *CHOICES),
    'quality': lambda value: value is None or _whole(value, 1, 100),
}
