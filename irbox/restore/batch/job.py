"""One picture to restore: where it is and where the answer goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

STANDARD_STREAM = Path('-')
"""Standard input as a source, standard output as a target."""


@dataclass(frozen=True)
class Job:
    """A source and its target; either may be ``STANDARD_STREAM``."""

    source: Path
    target: Path

    @property
    def key(self) -> tuple[str, str]:
        """Name it in a list of what is done, whatever the working directory."""
        return str(self.source.absolute()), str(self.target.absolute())


class Keyed(Protocol):
    """What a list of what is done can tell apart."""

    @property
    def key(self) -> tuple[str, str]:
        """Give the names of source and target."""
        ...


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    status: Literal['restored', 'failed', 'skipped']
    reason: str = ''
    """Why it failed or was skipped."""
    notes: list[str] = field(default_factory=list)
    """What was converted, or could not be kept."""
    megapixels: float = 0.0
    seconds: float = 0.0
    """Of restoring, without reading and writing."""
    details: dict[str, Any] = field(default_factory=dict)
    """Tile, precision and what the model believed."""
