"""Writing the answer to one picture under a name that is true, with what it takes to make it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import irbox
from irbox.pictures import Picture, output_suffix, write_picture
from irbox.restore.batch.job import STANDARD_STREAM, Job, Outcome
from irbox.restore.batch.settings import Settings
from irbox.restore.report import Report
from irbox.restore.restoration_model import RestorationModel


def write_answer(
    target: Path | BinaryIO,
    picture: Picture,
    pixels: np.ndarray,
    settings: Settings,
    record: dict[str, Any] | None,
) -> list[str]:
    """Write a restored picture, whole or not at all.

    Args:
        target: A path, of ``fitting``, or a binary file object.
        picture: What was restored.
        pixels: The answer, upright.
        settings: How.
        record: See ``make_record``; None writes none.

    Returns:
        What was converted or could not be kept, a sentence each.

    Raises:
        ValueError, OSError: Nothing was written.
    """
    return write_picture(
        picture,
        pixels,
        target,
        format=settings.format,
        quality=settings.quality,
        strip=settings.strip,
        record=record,
    )


def fitting(
    job: Job, picture: Picture, settings: Settings, outcome: Outcome, overwrite: bool
) -> Job:
    """Name the target for the format that is written.

    A file may be of another format than its name says; its answer then gets a name that is true.

    Args:
        job: As it was listed.
        picture: What was read.
        settings: Which format is asked for.
        outcome: Gets a note where the name changes.
        overwrite: Whether a file under the true name may be replaced.

    Raises:
        FileExistsError: It is there and may not be.
    """
    if job.target == STANDARD_STREAM:
        return job
    suffix = output_suffix(picture.format, settings.format, job.target.suffix)
    if suffix == job.target.suffix:
        own = output_suffix(picture.format, 'keep', job.source.suffix)
        if own != job.source.suffix != '' and settings.format == 'keep':
            outcome.notes.append(f'It is a {picture.format} file by content, and named so now.')
        return job
    target = job.target.with_suffix(suffix)
    if target.exists() and not overwrite:
        raise FileExistsError(
            f'{job.source} is a {picture.format} file by its content, and {target} exists. Add '
            '--overwrite, or choose --out.'
        )
    outcome.notes.append(f'Written as {target.name}: it is a {picture.format} file by content.')
    return replace(job, target=target)


def make_record(
    model: RestorationModel, settings: Settings, picture: Picture, report: Report
) -> dict[str, Any] | None:
    """Say what it takes to make an answer again; None where the settings want no record."""
    if not settings.record:
        return None
    # The tiles as they were, not how they were chosen: memory differs from day to day.
    made = replace(
        settings,
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
    masks = {'mask': settings.mask, 'steer_mask': settings.steer_mask}
    return record | {name: path.name for name, path in masks.items() if path is not None}
