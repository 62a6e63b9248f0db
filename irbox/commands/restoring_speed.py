"""The seconds of restoring files beside those of the network alone."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from irbox.datasets.photographs import photograph
from irbox.datasets.read_image import read_image
from irbox.restore.batch.job import Job
from irbox.restore.batch.picture_steps import PictureSteps
from irbox.restore.batch.progress import BatchProgress
from irbox.restore.batch.run_batch import run_batch
from irbox.restore.batch.settings import Settings
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.console import console

SIZE = 480, 320


class Seconds(NamedTuple):
    """What a run took."""

    wall: float
    process: float
    """Of a processor, by all threads."""
    main: float
    """Of a processor, by the thread that runs the network."""


def write_files(folder: Path, count: int) -> list[Job]:
    """Write JPEG files of 480x320 and say where their answers go."""
    image = photograph('china').image
    jobs = []
    for number in range(count):
        job = Job(folder / f'{number}.jpg', folder / 'out' / f'{number}.jpg')
        left, top = number % 100, number % 100
        image.crop((left, top, left + SIZE[0], top + SIZE[1])).save(job.source, quality=92)
        jobs.append(job)
    return jobs


def as_tensors(jobs: Sequence[Job]) -> list[Tensor]:
    """Read files as a bare loop over a network wants them: (1, 3, H, W) in 0 to 1."""
    arrays = [read_image(job.source).transpose(2, 0, 1).copy() for job in jobs]
    return [torch.from_numpy(one)[None].float() / 255 for one in arrays]


def timed(run: Callable[[], object]) -> Seconds:
    """Run something and say what it took."""
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    before = [clock() for clock in clocks]
    run()
    return Seconds(*(clock() - start for clock, start in zip(clocks, before, strict=True)))


def restore_all(model: RestorationModel, jobs: Sequence[Job]) -> None:
    """Do what ``irbox restore`` does once it has started.

    Raises:
        RuntimeError: A file was not restored.
    """
    with BatchProgress(len(jobs), Console(stderr=True, quiet=True)) as progress:
        steps = PictureSteps([model], Settings(), overwrite=True, progress=progress.share)
        outcomes = run_batch(jobs, steps, progress.picture, threading.Event())
    failed = [one.reason for one in outcomes if one.status != 'restored']
    if failed:
        raise RuntimeError(f'{len(failed)} files were not restored: {failed[0]}')


@torch.inference_mode()
def bare_loop(model: RestorationModel, tensors: Sequence[Tensor]) -> None:
    """Give each image to the network and do nothing with the answer."""
    for image in tensors:
        model.network(image.to(model.device)).cpu()


def compare(model: RestorationModel, count: int, rounds: int) -> tuple[Seconds, Seconds]:
    """Measure files and the bare loop in turn; medians of the files and of the loop."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = write_files(Path(folder), count)
        tensors = as_tensors(jobs)
        restore_all(model, jobs[:1])  # what is set up once does not count
        loops, files = [], []
        for _ in range(rounds):
            loops.append(timed(lambda: bare_loop(model, tensors)))
            files.append(timed(lambda: restore_all(model, jobs)))
    medians = [Seconds(*map(statistics.median, zip(*runs, strict=True))) for runs in (files, loops)]
    return medians[0], medians[1]


def run(model: RestorationModel, count: int, rounds: int) -> None:
    """Print the table."""
    files, loop = compare(model, count, rounds)
    out = console()
    out.print(f'{model.name}, {count} JPEG files of {SIZE[0]}x{SIZE[1]}, medians of {rounds}')
    out.print('| seconds | files | bare loop | share |')
    out.print('|---|---|---|---|')
    for name in Seconds._fields:
        ours, bare = getattr(files, name), getattr(loop, name)
        out.print(f'| {name} | {ours:.2f} | {bare:.2f} | {ours / bare:.3f} |')
