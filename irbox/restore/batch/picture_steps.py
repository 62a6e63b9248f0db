"""What is done with each picture of a batch: read, restored, written with all its metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from irbox.pictures import Picture, read_picture, write_picture
from irbox.restore.batch.check_targets import sheet_of
from irbox.restore.batch.compare import comparison, model_sheet
from irbox.restore.batch.done_list import DoneList
from irbox.restore.batch.fitting import fitting
from irbox.restore.batch.job import STANDARD_STREAM, Job, Outcome
from irbox.restore.batch.make_record import make_record
from irbox.restore.batch.reading_process import ReadingProcess, read_and_check
from irbox.restore.batch.settings import Settings
from irbox.restore.restoration import Restoration
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.files import atomic_write


class PictureSteps:
    """Restores pictures by one model, or draws a sheet of the answers of several.

    Args:
        models: The first one's answer is written; with several a sheet of all is.
        settings: How.
        overwrite: Whether a file may be replaced that was not foreseen, see ``write``.
        compare: Also write sheets ``NAME_compare.png`` of degraded, restored and difference.
        clean: The clean picture of a source, for the sheets, or None where there is none.
        done_list: Told of each answer.
        progress: Told the share of the picture at hand that is done.
        reader: Decodes in a process of its own; by default this one does.
    """

    def __init__(
        self,
        models: Sequence[RestorationModel],
        settings: Settings,
        overwrite: bool = False,
        compare: bool = False,
        clean: Callable[[Path], Path | None] = lambda source: None,
        done_list: DoneList | None = None,
        progress: Callable[[float], None] | None = None,
        reader: ReadingProcess | None = None,
    ) -> None:
        self.models = models
        self.labels = _labels(models)
        self.settings = settings
        self.options = settings.options()
        self.overwrite = overwrite
        self.compare = compare
        self.clean = clean
        self.done_list = done_list
        self.progress = progress
        self.reader = reader

    def read(self, job: Job) -> Picture:
        """Decode the source, and refuse what the format of the answer could not hold."""
        # A sheet of several models has a format of its own.
        written = self.settings.format if len(self.models) == 1 else 'png'
        if job.source == STANDARD_STREAM:
            return read_and_check(sys.stdin.buffer.read(), written)
        return (read_and_check if self.reader is None else self.reader.read)(job.source, written)

    def restore(self, picture: Picture, outcome: Outcome) -> list[Restoration]:
        """Run the models."""
        answers = [model.run(picture, self.options, self.progress) for model in self.models]
        first = answers[0].report
        outcome.megapixels = first.megapixels
        outcome.details = {
            label: answer.report.as_dict()
            for label, answer in zip(self.labels, answers, strict=True)
        }
        outcome.notes += first.notes
        return answers

    def write(
        self, job: Job, picture: Picture, answer: list[Restoration], outcome: Outcome
    ) -> None:
        """Write the answer, or the sheet of several, whole or not at all."""
        if len(answer) > 1:
            named = {
                label: one.at(one.strength) for label, one in zip(self.labels, answer, strict=True)
            }
            listed = self.done_list if job.target != STANDARD_STREAM else None
            if listed is not None:
                listed.begin(job)
            self._write_sheet(model_sheet(picture.pixels, named), job.target)
            if listed is not None:
                listed.finish(job)
            return
        clean = self._clean_pixels(job, picture)
        named_so = fitting(job, picture, self.settings.format, outcome, self.overwrite)
        listed = self.done_list if named_so.target != STANDARD_STREAM else None
        place: Path | BinaryIO = sys.stdout.buffer
        if named_so.target != STANDARD_STREAM:
            place = named_so.target
            place.parent.mkdir(parents=True, exist_ok=True)
        if listed is not None:
            listed.begin(job)
        pixels = answer[0].at(answer[0].strength)
        record = make_record(self.models[0], self.settings, picture, answer[0].report)
        outcome.notes += write_picture(
            picture, pixels, place, record=record, **self.settings.writing()
        )
        if self.compare and named_so.target != STANDARD_STREAM:
            sheet = comparison(_opaque(picture.pixels), pixels, clean)
            self._write_sheet(sheet, sheet_of(named_so.target))
        if listed is not None:
            listed.finish(job)

    def _clean_pixels(self, job: Job, picture: Picture) -> np.ndarray | None:
        """The clean picture of a source, where one is known."""
        path = self.clean(job.source) if self.compare else None
        if path is None:
            return None
        clean = _opaque(read_picture(path).pixels)
        if clean.shape != picture.pixels.shape:
            sizes = ['x'.join(map(str, one.shape[:2])) for one in (clean, picture.pixels)]
            raise ValueError(
                f'The clean picture {path} is of {sizes[0]}, the picture of {sizes[1]} (height x '
                'width). Give one of the same size.'
            )
        return clean

    def _write_sheet(self, sheet: Any, target: Path) -> None:
        if target == STANDARD_STREAM:
            sheet.save(sys.stdout.buffer, 'PNG')
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            sheet.save(file, 'PNG')


def _opaque(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., :3]


def _labels(models: Sequence[RestorationModel]) -> list[str]:
    """Names that differ: those of the models, or what they were loaded from where names agree."""
    names = [model.name for model in models]
    return [model.name if names.count(model.name) == 1 else str(model.place) for model in models]
