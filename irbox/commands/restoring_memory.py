"""The most that a process holds while it restores tiles of a large file."""

from __future__ import annotations

import gc
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from irbox.datasets.photographs import photograph
from irbox.restore.choose_tile import choose_tiles
from irbox.restore.memory import used_memory
from irbox.restore.options import Options
from irbox.restore.report import Report
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.console import console

RESET = Path('/proc/self/clear_refs')
GRAYS = 100, 200
"""Of a mask of one value beside black the edges would fade."""


def write_file(path: Path, megapixels: int) -> tuple[int, int]:
    """Write a JPEG file of 3:2; gives height and width."""
    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    width = round(1.5 * height)
    image = photograph('china').image.resize((width, height), Image.Resampling.BICUBIC)
    image.save(path, quality=92)
    return height, width


def mask_of_tiles(model: RestorationModel, size: tuple[int, int], tiles: int) -> np.ndarray:
    """Give a mask (H, W) that is white in the middle of the first tiles and black elsewhere.

    A tile takes what it takes however much of it is white, and the others are passed over: the time
    of a few, the memory of all.
    """
    report = Report(size, 0, str(model.device), model.precision)
    context = model.network.describe(torch.zeros(1, 3, 64, 64, device=model.device))  # type: ignore[operator]
    grid = choose_tiles(
        size, 'auto', None, model.multiple, model.device, lambda: model.memory_need(context), report
    ).grid
    mask = np.zeros(size, np.uint8)
    places = [(row, column) for row in grid.rows for column in grid.columns]
    for row, column in places[:tiles]:
        middle = (column.start + column.stop) // 2
        mask[(row.start + row.stop) // 2, middle : middle + 2] = GRAYS
    return mask


def peak_memory() -> int:
    """Read the most bytes that this process held since it was last told to forget (Linux)."""
    status = Path('/proc/self/status').read_text(encoding='utf-8')
    found = re.search(r'^VmHWM:\s+(\d+) kB', status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def measure(model: RestorationModel, megapixels: int, tiles: int) -> tuple[int, list[int], Report]:
    """Restore a few tiles of a file and write the answer.

    Returns:
        Bytes that the process held before; the most that it ever held, after each tile that was
        restored and at the end; what was done.
    """
    peaks: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'large.jpg'
        size = write_file(path, megapixels)
        mask = mask_of_tiles(model, size, tiles)
        gc.collect()
        before = used_memory(model.device)
        RESET.write_text('5', encoding='utf-8')  # forget the peak of what came before
        handle = model.network.register_forward_hook(lambda *_: peaks.append(peak_memory()))
        done = model.run(path, Options(mask=mask))
        done.save(path.with_stem('restored'))
        handle.remove()
    return before, [*peaks, peak_memory()], done.report


def run(model: RestorationModel, megapixels: int, tiles: int) -> None:
    """Print what was held.

    Raises:
        ValueError: The system does not tell.
    """
    if not RESET.exists():
        raise ValueError('memory: only Linux tells the most that a process held.')
    before, peaks, report = measure(model, megapixels, tiles)
    *after, end = map(_gibibytes, peaks)
    height, width = report.size
    console().print(
        f'{model.name}, {width}x{height}, {report.tiles} tiles of '
        f'{report.tile[0]}x{report.tile[1]}, {len(after)} of them restored\n'
        f'held before: {_gibibytes(before)}\n'
        f'most held, after each: {", ".join(after)}\n'
        f'most held, the file written: {end}'
    )


def _gibibytes(amount: int) -> str:
    return f'{amount / 2**30:.2f} GiB'
