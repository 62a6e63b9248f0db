"""What processes without a model do: decode and encode; a fault fails one picture.

They start without torch: one that a decoder ended is soon back.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from irbox.pictures import Picture, check_format, output_suffix, write_picture
from irbox.restore.batch.fitting import fitting
from irbox.restore.batch.job import Outcome
from irbox.restore.batch.run_batch import failing
from irbox.restore.cluster.addresses import is_address, write_whole
from irbox.restore.cluster.item import Item

Row = dict[str, Any]
STATE = 'state'
"""The column that holds a ``Passed``."""


@dataclass
class Passed:
    """What one stage gives to the next."""

    item: Item
    outcome: Outcome
    picture: Picture | None = None
    pixels: np.ndarray | None = None
    """The answer."""
    record: dict[str, Any] | None = None

    def as_row(self) -> Row:
        """Give it as a row of a table; a failed one carries no pictures further."""
        if self.outcome.status == 'failed':
            self.picture = self.pixels = None
        return {STATE: self}


@dataclass
class Decode:
    """Reads pictures, and refuses what ``format`` could not hold."""

    format: str

    def __call__(self, row: Row) -> Row:
        """Read one: a row of an ``Item``'s fields -> one with ``Passed``."""
        item = Item(**row)
        passed = Passed(item, Outcome(item.job, 'restored'))
        with failing(passed.outcome):
            passed.picture = item.read()
            check_format(passed.picture, self.format)
        return passed.as_row()


@dataclass
class Encode:
    """Writes answers.

    Args:
        writing: Of ``write_picture``: format, quality and so on.
        overwrite: Whether a file may be replaced that was not foreseen.
    """

    writing: dict[str, Any]
    overwrite: bool

    def __call__(self, row: Row) -> Row:
        """Write one, whole or not at all, and give what became of it without its pictures."""
        passed: Passed = row[STATE]
        with failing(passed.outcome):
            if passed.outcome.status == 'restored':
                self._write(passed)
        return Passed(passed.item, passed.outcome).as_row()

    def _write(self, passed: Passed) -> None:
        item, outcome, picture = passed.item, passed.outcome, passed.picture
        assert picture is not None and passed.pixels is not None
        options = self.writing | {'record': passed.record}
        if is_address(item.target):
            end = PurePosixPath(item.target).suffix
            suffix = output_suffix(picture.format, self.writing['format'], end)
            content = io.BytesIO()
            outcome.notes += write_picture(picture, passed.pixels, content, **options)
            write_whole(item.with_suffix(suffix), content.getvalue())
            return
        target: Path = fitting(
            item.job, picture, self.writing['format'], outcome, self.overwrite
        ).target
        target.parent.mkdir(parents=True, exist_ok=True)
        outcome.notes += write_picture(picture, passed.pixels, target, **options)
