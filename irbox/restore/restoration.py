"""A restored picture, with what it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irbox.restore.arrays import Pixels
from irbox.restore.report import Report

ROWS = 256


@dataclass
class Restoration:
    """A restored picture, with what it came from: another strength needs no other run."""

    source: Pixels
    values: np.ndarray
    """The answer at full strength, like ``source.values``."""
    report: Report
    """What was done and believed."""
    strength: float = 1.0
    """Of ``image`` and ``save``."""
    picture: Any = None
    """What ``read_picture`` gave, where the image came from a file."""

    @property
    def image(self) -> Any:
        """Give the answer, of the kind, size, type and range of what was given."""
        return self.at(self.strength)

    def at(self, strength: float) -> Any:
        """Give the answer at a strength: 0 is the image as it was, 1 the network's answer.

        Raises:
            ValueError: The strength is not in 0 to 1.
        """
        return self.source.close(self._blended(strength))

    def save(self, path: str | Path, **options: Any) -> list[str]:
        """Write the answer as a file, with what belongs to the picture that it came from.

        Args:
            path: The file.
            **options: Of ``write_picture``.

        Returns:
            What could not be kept, a sentence each.

        Raises:
            ValueError: The image did not come from a file; its own kind knows how to save it.
        """
        if self.picture is None:
            raise ValueError(
                'Only a picture that was read from a file is saved with what belongs to it. Save '
                'the answer itself.'
            )
        from irbox.pictures import write_picture

        return write_picture(self.picture, self._blended(self.strength), path, **options)

    def _blended(self, strength: float) -> np.ndarray:
        check_strength(strength)
        if strength == 1:
            return self.values
        given, out = self.source.values, np.empty_like(self.values)
        for top in range(0, len(out), ROWS):
            rows = slice(top, top + ROWS)
            first = given[rows].astype(np.float32)
            mixed = first + strength * (self.values[rows].astype(np.float32) - first)
            out[rows] = np.rint(mixed) if self.source.white != 1 else mixed
        return out


def check_strength(strength: float) -> None:
    """Refuse what is no strength.

    Raises:
        ValueError: It is not a number in 0 to 1.
    """
    if (
        isinstance(strength, bool)
        or not isinstance(strength, (int, float))
        or not 0 <= strength <= 1
    ):
        raise ValueError(f'strength={strength!r} must be a number from 0 (as it was) to 1.')
