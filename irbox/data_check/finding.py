"""What a check of data found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN = 10
"""Files that a finding names at most: it may be about every file there is."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at."""

    kind: str
    """``missing``, ``source``, ``unmatched``, ``unreadable``, ``size``, ``small``, ``leak``,
    ``duplicate``, ``count``, ``split`` or ``generated``."""
    place: str
    """Where in the config: ``train_dataloader, source rain``."""
    message: str
    files: Sequence[str | tuple[str, ...]] = ()
    """All files that it is about; those that are the same, as one."""
    remedy: str = ''
    """What to do."""
    serious: bool = True
    """Whether the data cannot be used as they are; otherwise it is only worth knowing."""

    def text(self) -> str:
        """Give a line on what it is, one for each of the first files, and one on what to do."""
        lines = [f'{self.place}: {self.message}']
        left, entries = SHOWN, 0
        for entry in self.files:
            if left <= 0:
                break
            same = (entry,) if isinstance(entry, str) else entry
            more = f' and {len(same) - left:,} more' if len(same) > left else ''
            lines.append(f'    {" = ".join(same[:left])}{more}')
            left -= len(same)
            entries += 1
        if len(self.files) > entries:
            lines.append(f'    and {len(self.files) - entries:,} more')
        if self.remedy:
            lines.append(f'  {self.remedy}')
        return '\n'.join(lines)

    @property
    def cut(self) -> bool:
        """Tell whether the text does not name all files."""
        return sum(1 if isinstance(one, str) else len(one) for one in self.files) > SHOWN


def as_text(paths: Sequence[Path]) -> tuple[str, ...]:
    """Write paths as people do."""
    return tuple(str(path) for path in paths)
