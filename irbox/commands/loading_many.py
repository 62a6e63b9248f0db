"""How long many pairs take until the first sample, and what a worker costs: files and shards."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.packed.write_packed import write_packed
from irbox.datasets.paired_image_dataset import PairedImageDataset
from irbox.datasets.pairs.data_source import find_source

SIZE, PATCH = (64, 48), 32
DISTINCT = 24
"""Images that all names stand for: what is measured is their number."""
LOOSE = {'input': 'input', 'target': 'target'}
PACKED = {'packed': 'x.packed'}
DRAWN = 2000
"""Samples that a worker has drawn when its memory is looked at."""


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _make(root, args.pairs)
        source = find_source('x', LOOSE, root)
        names = [pair.degraded.stem for pair in source.pairs]
        about = {'title': '', 'declared': '', 'named': ''}
        for _ in write_packed(root / PACKED['packed'], source.pairs, names, about):
            pass
        found: dict[str, list[dict[str, float]]] = {'files': [], 'shards': []}
        for _ in range(args.rounds):
            for kind, entry in (('files', LOOSE), ('shards', PACKED)):
                found[kind].append(_in_own_process(root, entry))
    rows = [
        [
            kind,
            *(
                f'{np.median([one[key] for one in several]):.{digits}f}'
                for key, digits in (('seconds', 2), ('memory', 0), ('worker', 0), ('speed', 0))
            ),
        ]
        for kind, several in found.items()
    ]
    table = Table(title=f'{args.pairs:,} pairs of {SIZE[0]}x{SIZE[1]}', title_justify='left')
    for title in (
        '',
        's to the first sample',
        'MiB of the data set',
        'MiB of a worker',
        'a second',
    ):
        table.add_column(title, justify='right')
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def _make(root: Path, pairs: int) -> None:
    rng = np.random.default_rng(0)
    for side in ('input', 'target'):
        (root / side).mkdir()
        for number in range(min(DISTINCT, pairs)):
            image = Image.fromarray(rng.integers(0, 256, (*SIZE[::-1], 3), np.uint8))
            image.save(root / side / f'{number:07}.png')
        for number in range(DISTINCT, pairs):
            # One more name of the same file: as many entries, and no more room.
            os.link(root / side / f'{number % DISTINCT:07}.png', root / side / f'{number:07}.png')


def _in_own_process(root: Path, entry: dict[str, str]) -> dict[str, float]:
    """Measure in a process that has seen nothing before.

    Raises:
        ChildProcessError: It ended without an answer.
    """
    context = multiprocessing.get_context('spawn')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(root, entry, sender))
    process.start()
    sender.close()  # the other process has its own: what it never sends must not be waited for
    try:
        found: dict[str, float] = json.loads(receiver.recv())
    except EOFError:
        process.join()
        raise ChildProcessError(
            f'The process that measures {", ".join(entry)} ended with code {process.exitcode}. '
            'Where memory did not suffice, give fewer --pairs.'
        ) from None
    process.join()
    return found


def _measure(root: Path, entry: dict[str, str], sender: Any) -> None:
    before, start = _private(os.getpid()), time.perf_counter()
    dataset = PairedImageDataset({'x': entry}, root, patch_size=PATCH, augment='dihedral')
    memory = _private(os.getpid()) - before
    loader = DataLoader(
        dataset,
        8,
        sampler=DrawSampler(dataset, seed=0),
        num_workers=1,
        multiprocessing_context='fork',  # as a training has it, of whom this is a child
    )
    batches = iter(loader)
    next(batches)
    seconds = time.perf_counter() - start
    begun = time.perf_counter()
    for _ in range(DRAWN // 8):
        next(batches)
    speed = DRAWN / (time.perf_counter() - begun)
    (worker,) = multiprocessing.active_children()
    sender.send(
        json.dumps(
            {
                'seconds': seconds,
                'memory': memory,
                'worker': _private(worker.pid or 0),
                'speed': speed,
            }
        )
    )


def _private(process: int) -> float:
    """Give the memory that only this process has, in MiB."""
    lines = Path(f'/proc/{process}/smaps_rollup').read_text(encoding='ascii').splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith('Private_')) / 1024
