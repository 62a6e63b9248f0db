"""What the page does with each picture: what the command does, in turn, and drawn for a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from irbox.page.limits import Limits
from irbox.page.turns import Cancelled, Turns
from irbox.page.views import Views, draw, draw_views
from irbox.pictures import Picture, read_picture
from irbox.restore.arrays import open_picture
from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.picture_steps import PictureSteps
from irbox.restore.batch.settings import Settings
from irbox.restore.report import Report
from irbox.restore.restoration import Restoration
from irbox.restore.restoration_model import RestorationModel

Say = Callable[[float, str], None]
"""Told how much is done, 0 to 1, and of what."""


@dataclass(frozen=True)
class Finished:
    """A restored picture of a visitor, with what it takes to change its strength."""

    job: Job
    model: RestorationModel
    settings: Settings
    report: Report
    notes: tuple[str, ...]
    values: Path
    """The answer at full strength, on the disk: pictures wait there, not in memory."""
    views: Views

    def at(self, strength: float) -> Finished:
        """Write the file and the view of another strength; the network does not run again."""
        picture = read_picture(self.job.source)
        values = np.load(self.values, mmap_mode='r')
        answer = Restoration(open_picture(picture), values, self.report, strength, picture)
        settings = replace(self.settings, strength=strength)
        outcome = Outcome(self.job, 'restored')
        PictureSteps([self.model], settings, overwrite=True).write(
            self.job, picture, [answer], outcome
        )
        # Another name: a browser keeps what it has seen under the old one.
        after = self.views.after.with_stem(f'{self.job.source.stem}_{strength:g}')
        draw(picture, answer.image, after)
        return replace(self, settings=settings, views=replace(self.views, after=after))


class PageSteps(PictureSteps):
    """Restores pictures as the command does, one at a time on a device.

    Args:
        model: That restores.
        settings: How.
        limits: What is refused.
        turns: Who comes before.
        stop: Once set, the restoration ends within a tile.
        say: Told how far the picture at hand is.
        keep: Whether views are drawn and values kept, for the page; see ``finished``.
        jobs: All that are begun together.
    """

    def __init__(
        self,
        model: RestorationModel,
        settings: Settings,
        limits: Limits,
        turns: Turns,
        stop: threading.Event,
        say: Say = lambda share, text: None,
        keep: bool = False,
        jobs: Sequence[Job] = (),
    ) -> None:
        super().__init__([model], settings, progress=self._tile)
        self.limits, self.turns, self.stop, self.say, self.keep = limits, turns, stop, say, keep
        self.finished: list[Finished] = []
        self.jobs = jobs
        self._number, self._name = 1, ''

    def read(self, job: Job) -> Picture:
        """Decode the source, if it is a picture and not too large."""
        self.limits.check(job.source)
        return super().read(job)

    def restore(self, picture: Picture, outcome: Outcome) -> list[Restoration]:
        """Run the model when it is this visitor's turn."""
        self._name = outcome.job.source.name
        if self.jobs:
            self._number = self.jobs.index(outcome.job) + 1
        device = str(self.models[0].device)
        with self.turns.turn(device, self._wait, self.stop):
            self._tile(0)
            return super().restore(picture, outcome)

    def write(
        self, job: Job, picture: Picture, answer: list[Restoration], outcome: Outcome
    ) -> None:
        """Write the answer as the command does, and what the page shows of it."""
        super().write(job, picture, answer, outcome)
        if not self.keep:
            return
        restored, folder, stem = answer[0], job.target.parent, job.source.stem
        values = folder / f'{stem}_values.npy'
        np.save(values, restored.values)
        views = draw_views(picture, restored.image, folder, stem)
        notes = tuple(dict.fromkeys(outcome.notes))
        self.finished.append(
            Finished(job, self.models[0], self.settings, restored.report, notes, values, views)
        )

    def _wait(self, before: int) -> None:
        self._say(0, f'{self._name}: {before} before you')

    def _tile(self, share: float) -> None:
        if self.stop.is_set():
            raise Cancelled
        self._say(share, self._name)

    def _say(self, share: float, text: str) -> None:
        total = max(len(self.jobs), 1)
        which = f' ({self._number} of {total})' if total > 1 else ''
        self.say((self._number - 1 + share) / total, f'{text}{which}')
