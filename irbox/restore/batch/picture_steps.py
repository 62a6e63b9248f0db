"""What is done with each picture of a batch: read, restored, written with all its metadata."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import irbox
from irbox.pictures import (
    Picture,
    check_format,
    output_suffix,
    read_picture,
    write_picture,
)
from irbox.restore.batch.check_targets import sheet_of
from irbox.restore.batch.compare import comparison, model_sheet
from irbox.restore.batch.done_list import DoneList
from irbox.restore.batch.job import STANDARD_STREAM, Job, Outcome
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

    def read(self, job: Job) -> Picture:
        """Decode the source, and refuse what the format of the answer could not hold."""
        given = sys.stdin.buffer.read() if job.source == STANDARD_STREAM else job.source
        picture = read_picture(given)
        if len(self.models) == 1:
            check_format(picture, self.settings.format)
        return picture

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
            self._write_sheet(model_sheet(picture.pixels, named), job.target)
            return
        settings = self.settings
        clean = self._clean_pixels(job, picture)
        target = self._fitting(job, picture, outcome)
        if target != STANDARD_STREAM:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.done_list is not None:
                self.done_list.begin(job)
        outcome.notes += write_picture(
            picture,
            answer[0].at(answer[0].strength),
            sys.stdout.buffer if target == STANDARD_STREAM else target,
            format=settings.format,
            quality=settings.quality,
            strip=settings.strip,
            record=self._record(picture, answer[0]) if settings.record else None,
        )
        if self.compare and target != STANDARD_STREAM:
            sheet = comparison(_opaque(picture.pixels), answer[0].at(answer[0].strength), clean)
            self._write_sheet(sheet, sheet_of(target))
        if self.done_list is not None and target != STANDARD_STREAM:
            self.done_list.finish(job)

    def _fitting(self, job: Job, picture: Picture, outcome: Outcome) -> Path:
        """The target, named for the format that is written.

        A file may be of another format than its name says; its answer then gets a name that is
        true.
        """
        if job.target == STANDARD_STREAM:
            return job.target
        suffix = output_suffix(picture.format, self.settings.format, job.target.suffix)
        if suffix == job.target.suffix:
            own = output_suffix(picture.format, 'keep', job.source.suffix)
            if own != job.source.suffix != '' and self.settings.format == 'keep':
                outcome.notes.append(f'It is a {picture.format} file by content, and named so now.')
            return job.target
        target = job.target.with_suffix(suffix)
        if target.exists() and not self.overwrite:
            raise FileExistsError(
                f'{job.source} is a {picture.format} file by its content, and {target} exists. Add '
                '--overwrite, or choose --out.'
            )
        outcome.notes.append(f'Written as {target.name}: it is a {picture.format} file by content.')
        return target

    def _record(self, picture: Picture, answer: Restoration) -> dict[str, Any]:
        """What it takes to make the answer again."""
        model, report = self.models[0], answer.report
        # The tiles as they were, not how they were chosen: memory differs from day to day.
        made = replace(
            self.settings,
            tile=report.tile,
            overlap=report.overlap,
            precision={'float32': 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}[
                str(model.dtype).removeprefix('torch.')
            ],
        )
        record = {
            'version': irbox.__version__,
            'model': model.name,
            'model_sha256': model.digest,
            'input_sha256': picture.digest,
            'settings': made.repeated(),
        }
        masks = {'mask': self.settings.mask, 'steer_mask': self.settings.steer_mask}
        record |= {name: path.name for name, path in masks.items() if path is not None}
        return record

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
