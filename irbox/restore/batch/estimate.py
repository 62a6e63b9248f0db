"""What a batch would take: minutes, memory and disk."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from irbox.pictures import picture_size
from irbox.restore.batch.job import STANDARD_STREAM, Job
from irbox.restore.batch.settings import Settings
from irbox.restore.choose_tile import choose_tiles
from irbox.restore.memory import format_memory, used_memory
from irbox.restore.options import Options
from irbox.restore.report import Report
from irbox.restore.restoration_model import RestorationModel

SIDE = 192
"""Of the noise that is restored to see how long it takes."""
LOSSLESS = ('png', 'tiff')
GROWTH = 10
"""How many times as large as a JPEG or WebP file the same pixels are, kept without loss."""
BYTES = 3
"""Of a pixel, as it is read and as it is answered."""
MARGIN = 1.5
"""Times the size of its source that an answer of the same format is counted as."""


def disk_need(jobs: Sequence[Job], choice: str) -> dict[Path, float]:
    """Estimate the bytes of the answers, by the folder that they go to (the nearest that exists).

    Args:
        jobs: What will be written.
        choice: Format of the answers, ``keep`` or another.
    """
    need: dict[Path, float] = defaultdict(float)
    for job in jobs:
        if STANDARD_STREAM in (job.source, job.target):
            continue
        lossy = job.source.suffix.lower() not in ('.png', '.tif', '.tiff', '.bmp', '.ppm')
        factor = GROWTH if lossy and choice in LOSSLESS else MARGIN
        above = job.target.absolute().parent
        while not above.exists():
            above = above.parent
        with contextlib.suppress(OSError):  # it is gone, and will be said to have failed
            need[above] += factor * job.source.stat().st_size
    return need


def check_disk(jobs: Sequence[Job], choice: str) -> None:
    """Refuse a start where a disk cannot hold the answers.

    Raises:
        OSError: It cannot; says how much is missing.
    """
    disks: dict[int, tuple[Path, float]] = {}
    for folder, need in disk_need(jobs, choice).items():
        first, before = disks.get(folder.stat().st_dev, (folder, 0.0))
        disks[folder.stat().st_dev] = first, before + need
    for folder, need in disks.values():
        free = shutil.disk_usage(folder).free
        if need > free:
            raise OSError(
                f'The answers need about {format_memory(need)}, and the disk of {folder} has '
                f'{format_memory(free)} left. Free some, or choose another --out.'
            )


def estimate(
    jobs: Sequence[Job], skipped: Sequence[Job], model: RestorationModel, settings: Settings
) -> str:
    """Say what a batch would do and take; a small image is restored to see how fast.

    Args:
        jobs: What would be done.
        skipped: What exists already.
        model: That would do it.
        settings: How.
    """
    sizes, unread = [], 0
    for job in jobs:
        try:
            sizes.append(picture_size(_content(job.source)))
        except (ValueError, OSError):
            unread += 1
    megapixels = sum(width * height for width, height in sizes) / 1e6
    rate = _megapixels_a_second(model, settings)
    disk = sum(disk_need(jobs, settings.format).values())
    lines = [f'{job.source} -> {job.target}' for job in jobs]
    lines += [f'{len(skipped)} have an answer already.'] if skipped else []
    lines += [f'{unread} cannot be read and would fail.'] if unread else []
    memory = _memory(model, settings, sizes)
    lines.append(
        f'{len(jobs)} pictures, {megapixels:.3g} megapixels: about {_duration(megapixels / rate)}, '
        f'{format_memory(memory)} of memory, {format_memory(disk)} of disk. Nothing was written.'
    )
    return '\n'.join(lines)


def _content(source: Path) -> Path | bytes:
    return sys.stdin.buffer.read() if source == STANDARD_STREAM else source


def _megapixels_a_second(model: RestorationModel, settings: Settings) -> float:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    options = Options(self_ensemble=settings.self_ensemble)
    model.run(noise, options)  # what is set up once does not count
    start = time.perf_counter()
    model.run(noise, options)
    return SIDE * SIDE / 1e6 / (time.perf_counter() - start)


def _memory(model: RestorationModel, settings: Settings, sizes: Sequence[tuple[int, int]]) -> float:
    """What the process holds, the largest picture twice, and what its tiles take."""
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(1, 1))
    describe: Any = model.network.describe
    context = describe(torch.zeros(1, 3, 64, 64, device=model.device))
    need = model.memory_need(context)
    choice = choose_tiles(
        (height, width),
        settings.tile,
        settings.overlap,
        model.multiple,
        model.device,
        lambda: need,
        Report((height, width), width * height / 1e6, str(model.device), model.precision),
        settings.max_memory,
    )
    rows, columns = choice.grid.tile
    return used_memory(model.device) + 2 * BYTES * width * height + need.of(rows * columns)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = seconds / 60
    return f'{minutes:.0f} min' if minutes < 120 else f'{minutes / 60:.1f} h'
