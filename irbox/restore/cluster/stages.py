"""What processes without a model do: decode and encode; a fault fails one picture.

They start without torch: one that a decoder ended is soon back.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from irbox.pictures import Picture, check_format, write_picture
from irbox.restore.batch.fitting import fitting
from irbox.restore.batch.job import Outcome
from irbox.restore.batch.run_batch import failing
from irbox.restore.cluster.addresses import exists, is_address, write_whole
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
    """Reads pictures, and refuses what ``format`` could not hold.

    Args:
        format: As for ``check_format``.
        folder: That names are relative to.
    """

    format: str
    folder: str

    def __call__(self, row: Row) -> Row:
        """Read one: a row of an ``Item``'s fields -> one with ``Passed``."""
        item = Item(**row)
        passed = Passed(item, Outcome(item.job, 'restored'))
        with failing(passed.outcome):
            item.enter(self.folder)
            passed.picture = item.read()
            check_format(passed.picture, self.format)
        return passed.as_row()


@dataclass
class Encode:
    """Writes answers.

    Args:
        writing: Of ``write_picture``: format, quality and so on.
        overwrite: Whether a file may be replaced that was not foreseen.
        folder: That names are relative to.
    """

    writing: dict[str, Any]
    overwrite: bool
    folder: str

    def __call__(self, row: Row) -> Row:
        """Write one, whole or not at all, and give what became of it without its pictures."""
        passed: Passed = row[STATE]
        with failing(passed.outcome):
            if passed.outcome.status == 'restored':
                passed.item.enter(self.folder)
                self._write(passed)
        return Passed(passed.item, passed.outcome).as_row()

    def _write(self, passed: Passed) -> None:
        item, outcome, picture = passed.item, passed.outcome, passed.picture
        assert picture is not None and passed.pixels is not None
        options = self.writing | {'record': passed.record}
        target = fitting(item.job, picture, self.writing['format'], outcome, self.overwrite).target
        if is_address(item.target):
            address = item.with_suffix(target.suffix)
            self._check_new(address, item, picture)
            content = io.BytesIO()
            outcome.notes += write_picture(picture, passed.pixels, content, **options)
            write_whole(address, content.getvalue())
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        outcome.notes += write_picture(picture, passed.pixels, target, **options)

    def _check_new(self, address: str, item: Item, picture: Picture) -> None:
        """Refuse an address whose end was changed, as ``fitting`` does of files."""
        if address != item.target and not self.overwrite and exists(address):
            raise FileExistsError(
                f'{item.name} is a {picture.format} file by its content, and {address} exists. Add '
                '--overwrite, or choose --out.'
            )
