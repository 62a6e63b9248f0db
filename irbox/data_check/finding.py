"""What a check of data found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at."""

    kind: str
    """``missing``, ``source``, ``unmatched``, ``unreadable``, ``size``, ``small``, ``leak``,
    ``duplicate``, ``count``, ``split`` or ``generated``."""
    place: str
    """Where in the config: ``train_dataloader, source rain``."""
    message: str
    files: Sequence[str] = ()
    """All files that it is about."""
    remedy: str = ''
    """What to do."""
    serious: bool = True
    """Whether the data cannot be used as they are; otherwise it is only worth knowing."""

    def text(self) -> str:
        """Give a line on what it is, one for each of the first files, and one on what to do."""
        lines = [f'{self.place}: {self.message}', *(f'    {file}' for file in self.files[:SHOWN])]
        if len(self.files) > SHOWN:
            lines.append(f'    and {len(self.files) - SHOWN:,} more')
        if self.remedy:
            lines.append(f'  {self.remedy}')
        return '\n'.join(lines)


def as_text(paths: Sequence[Path]) -> tuple[str, ...]:
    """Write paths as people do."""
    return tuple(str(path) for path in paths)
