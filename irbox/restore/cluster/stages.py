"""What the processes of a cluster do: decode, restore, encode; a fault fails one picture."""

from __future__ import annotations

import io
import pickle
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from irbox.pictures import Picture, check_format, output_suffix
from irbox.restore.batch.job import Outcome
from irbox.restore.batch.run_batch import failing
from irbox.restore.batch.settings import Settings
from irbox.restore.batch.write_answer import fitting, make_record, write_answer
from irbox.restore.cluster.addresses import is_address, write_whole
from irbox.restore.cluster.item import Item
from irbox.restore.load import load
from irbox.restore.restore_together import restore_together

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
        return {STATE: pickle.dumps(self, pickle.HIGHEST_PROTOCOL)}


def open_row(row: Row) -> Passed:
    """Give what ``as_row`` made a row of, in another process of this program."""
    passed: Passed = pickle.loads(row[STATE])
    return passed


@dataclass
class Decode:
    """Reads pictures."""

    settings: Settings

    def __call__(self, row: Row) -> Row:
        """Read one: a row of an ``Item``'s fields -> one with ``Passed``."""
        item = Item(**row)
        passed = Passed(item, Outcome(item.job, 'restored'))
        with failing(passed.outcome):
            passed.picture = item.read()
            check_format(passed.picture, self.settings.format)
        return passed.as_row()


class Restore:
    """Holds a model and restores pictures; those of one size together.

    Args:
        model: The arguments of ``irbox.load``.
        settings: How.
    """

    def __init__(self, model: dict[str, Any], settings: Settings) -> None:
        self.model = load(**model)
        self.settings, self.options = settings, settings.options()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Restore a batch: a column of ``Passed`` -> the same, with answers."""
        several = [open_row({STATE: one}) for one in batch[STATE]]
        sizes: dict[Any, list[Passed]] = defaultdict(list)
        for passed in several:
            if passed.picture is not None:
                sizes[passed.picture.pixels.shape].append(passed)
        for together in sizes.values():
            self._restore(together)
        return {STATE: [passed.as_row()[STATE] for passed in several]}

    def _restore(self, several: list[Passed]) -> None:
        start = time.perf_counter()
        pictures = [passed.picture for passed in several if passed.picture is not None]
        answers = restore_together(self.model, pictures, self.options)
        for passed, picture, answer in zip(several, pictures, answers, strict=True):
            outcome = passed.outcome
            with failing(outcome):
                if isinstance(answer, Exception):
                    raise answer
                passed.pixels = answer.at(answer.strength)
                passed.record = make_record(self.model, self.settings, picture, answer.report)
                outcome.megapixels = answer.report.megapixels
                outcome.details = {self.model.name: answer.report.as_dict()}
                outcome.notes += answer.report.notes
        for passed in several:
            passed.outcome.seconds = (time.perf_counter() - start) / len(several)


@dataclass
class Encode:
    """Writes answers."""

    settings: Settings
    overwrite: bool

    def __call__(self, row: Row) -> Row:
        """Write one, whole or not at all, and give what became of it without its pictures."""
        passed = open_row(row)
        with failing(passed.outcome):
            if passed.outcome.status == 'restored':
                self._write(passed)
        return Passed(passed.item, passed.outcome).as_row()

    def _write(self, passed: Passed) -> None:
        item, outcome, picture = passed.item, passed.outcome, passed.picture
        assert picture is not None and passed.pixels is not None
        given = picture, passed.pixels, self.settings, passed.record
        if is_address(item.target):
            end = PurePosixPath(item.target).suffix
            suffix = output_suffix(picture.format, self.settings.format, end)
            content = io.BytesIO()
            outcome.notes += write_answer(content, *given)
            write_whole(item.with_suffix(suffix), content.getvalue())
            return
        target: Path = fitting(item.job, picture, self.settings, outcome, self.overwrite).target
        target.parent.mkdir(parents=True, exist_ok=True)
        outcome.notes += write_answer(target, *given)
