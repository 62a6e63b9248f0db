"""How fast training crops are read from pairs of files, beside a bare Pillow loop, in one run.

Seconds are those that the reading process has on a processor: on a machine that is busy with
something else, the shares stay what they are. The files are in memory, as far as it suffices.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from mmengine.logging import MMLogger
from PIL import Image, features
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from irbox.datasets import DrawSampler, PairedImageDataset
from irbox.datasets.pair_operations import Augmentation

BATCH = 8
SIZES = ((720, 480), (480, 320))
FORMATS = ('png', 'jpg')
# What is measured, and what it is compared with.
BARE, OURS, BARE_WORKER, OUR_WORKER = 'Pillow', 'irbox', 'Pillow, worker', 'irbox, worker'
COMPARED = {OURS: BARE, OUR_WORKER: BARE_WORKER}


def photograph(size: tuple[int, int], seed: int) -> Image.Image:
    """Draw what compresses about as well as a photograph: smooth, with edges and grain."""
    rng = np.random.default_rng(seed)
    image = np.zeros((size[1], size[0], 3))
    for cells, strength in ((3, 60), (12, 30), (48, 15)):
        field = rng.normal(128, strength, (cells, cells, 3)).clip(0, 255).astype(np.uint8)
        image += np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC)) - 128.0
    for _ in range(12):
        left, top = rng.integers(0, size[0] - 40), rng.integers(0, size[1] - 40)
        width, height = rng.integers(20, 160, 2)
        image[top : top + height, left : left + width] += rng.normal(0, 40, 3)
    image += rng.normal(0, 2.0, image.shape)
    return Image.fromarray((image + 128).clip(0, 255).astype(np.uint8))


def write_pairs(folder: Path, size: tuple[int, int], suffix: str, number: int) -> None:
    """Write a folder of degraded images and one of their clean ones."""
    for side, name in enumerate(('input', 'target')):
        (folder / name).mkdir(parents=True)
        for index in range(number):
            image = photograph(size, 2 * index + side)
            image.save(folder / name / f'{index:04}.{suffix}', quality=95)


class BarePairs(Dataset[dict[str, Tensor]]):
    """The least that has to be done: open, convert, crop, to a tensor; for both files of a pair."""

    def __init__(self, folder: Path, patch: int) -> None:
        self.files = [
            (path, folder / 'target' / path.name) for path in sorted((folder / 'input').iterdir())
        ]
        self.patch = patch

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: tuple[int, int]) -> dict[str, Tensor]:
        index, draw = item
        box = None
        sample = {}
        for name, path in zip(('image', 'target'), self.files[index], strict=True):
            with Image.open(path) as file:
                image = file.convert('RGB')
            if box is None:
                rng = np.random.default_rng((index, draw))
                left = int(rng.integers(image.width - self.patch + 1))
                top = int(rng.integers(image.height - self.patch + 1))
                box = (left, top, left + self.patch, top + self.patch)
            pixels = np.asarray(image.crop(box))
            tensor = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32, order='C'))
            sample[name] = tensor / 255
        return sample


Samples = BarePairs | PairedImageDataset


class Stamped(Dataset[dict[str, Any]]):
    """Says with each sample how much time the process that reads it has had on a processor."""

    def __init__(self, dataset: Samples) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: tuple[int, int]) -> dict[str, Any]:
        stamp = time.process_time()
        return {**self.dataset[item], 'stamp': stamp}


def in_process(dataset: Samples) -> Iterator[float]:
    """Read samples here; gives the stamp of each batch's first."""
    stamped = Stamped(dataset)
    items = iter(DrawSampler(dataset, seed=0))
    while True:
        yield [stamped[item] for item in islice(items, BATCH)][0]['stamp']


def in_worker(dataset: Samples) -> Iterator[float]:
    """Read and collate batches in one worker process; gives the stamp of each batch's first."""
    sampler = DrawSampler(dataset, seed=0)
    for batch in DataLoader(Stamped(dataset), BATCH, sampler=sampler, num_workers=1):
        yield batch['stamp'][0].item()


def images_per_second(stamps: Iterator[float], number: int) -> float:
    """Count the images (two to a pair) that are read in a second of processor time."""
    first = next(stamps)
    *_, last = islice(stamps, number)
    return 2 * BATCH * number / (last - first)


def compare(
    folder: Path, patch: int, augment: Augmentation, rounds: int, batches: int
) -> dict[str, list[float]]:
    """Measure the images a second of every way to read a folder, a number for each round."""
    bare = BarePairs(folder, patch)
    ours = PairedImageDataset(
        {'pairs': {'input': str(folder / 'input'), 'target': str(folder / 'target')}},
        patch_size=patch,
        augment=augment,
    )
    ways = {
        BARE: in_process(bare),
        OURS: in_process(ours),
        BARE_WORKER: in_worker(bare),
        OUR_WORKER: in_worker(ours),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, stamps in ways.items():  # in turn, so that a busy moment hits all alike
            speed = images_per_second(stamps, batches)
            if turn:  # the first round warms up
                speeds[name].append(speed)
    return speeds


def ratio(speeds: dict[str, list[float]], name: str) -> float:
    """Give the median over the rounds of a way's speed, as a share of what it is set against."""
    pairs = zip(speeds[name], speeds[COMPARED[name]], strict=True)
    return statistics.median(one / other for one, other in pairs)


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    if args.patch > min(min(size) for size in SIZES):
        raise ValueError(
            f'--patch {args.patch}: the smallest images are {SIZES[-1][0]}x{SIZES[-1][1]}'
        )
    torch.set_num_threads(1)
    MMLogger.get_instance('benchmark_loading').setLevel('WARNING')  # not what the data set found
    console = Console()
    versions = {'Pillow': PIL.__version__, 'torch': torch.__version__, 'numpy': np.__version__}
    jpeg = f'libjpeg-turbo {features.version("libjpeg_turbo")}'
    shown = ', '.join(f'{name} {version}' for name, version in versions.items())
    console.print(f'{shown}, {jpeg}, Python {platform.python_version()}', soft_wrap=True)
    console.print(f'crops of {args.patch}, augment {args.augment}; two images to a pair')
    title = 'images in a second of processor time'
    table = Table('files', BARE, OURS, 'ratio', BARE_WORKER, OUR_WORKER, 'ratio', title=title)
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for suffix in FORMATS:
                here = Path(folder) / f'{size[0]}_{suffix}'
                write_pairs(here, size, suffix, args.images)
                speeds = compare(here, args.patch, args.augment, args.rounds, args.batches)
                cells = []
                for ours, bare in COMPARED.items():
                    cells += [f'{statistics.median(speeds[name]):.0f}' for name in (bare, ours)]
                    cells.append(f'{ratio(speeds, ours):.2f}')
                table.add_row(f'{suffix.upper()} {size[0]}x{size[1]}', *cells)
    console.print(table)
