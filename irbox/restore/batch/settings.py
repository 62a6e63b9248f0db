"""What decides the answers of a batch: kept in a record, compared, and repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

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

    def digest(self) -> str:
        """Give a fingerprint: equal settings give equal answers."""
        text = json.dumps(asdict(self), default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def repeated(self) -> dict[str, Any]:
        """Give what a record keeps of it, defaults left out."""
        defaults = {one.name: one.default for one in fields(self)}
        values = {name: getattr(self, name) for name in REPEATED}
        return {name: value for name, value in values.items() if value != defaults[name]}


def from_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings that ``repeated`` put into a record.

    Raises:
        ValueError: It holds none that can be repeated.
    """
    given = record.get('settings')
    if not isinstance(given, Mapping):
        raise ValueError('The record says nothing of how the picture was made.')
    found = {name: given[name] for name in REPEATED if name in given}
    for name in ('tile', 'not_'):
        if isinstance(found.get(name), list):
            found[name] = tuple(found[name])
    return found
