"""What the look for test images takes before a training on very many files.

``PYTHONPATH=tests python -m support.leak_check_speed FOLDER --number 100000`` writes so many images
of 256x256 into a folder, unless they are there, a twentieth of them to be tested on, and looks at
them twice: when nothing is known of them, and when all is.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops
from torch.utils.data import DataLoader

from irbox.config.load_config import load_config
from irbox.datasets import PairedImageDataset
from irbox.datasets.photographs import TRAINING, photograph
from irbox.engine import compat
from irbox.engine.check_leaks import check_leaks
from support.paths import TINY

SIDE, SHEETS = 256, 60


def sheets(rng):
    """Colored waves and noise to be laid over photographs, of twice the side."""
    down, across = np.mgrid[: 2 * SIDE, : 2 * SIDE] / SIDE
    for _ in range(SHEETS):
        one, two = rng.normal(0, 3, 2)
        waves = np.sin(2 * np.pi * (one * across + two * down) + rng.uniform(0, 6.3))
        noise = rng.normal(0, rng.uniform(1, 7), (*waves.shape, 1))
        values = 128 + waves[..., None] * rng.uniform(-50, 50, 3) + noise
        yield Image.fromarray(values.clip(0, 255).astype(np.uint8))


def image(rng, photographs, over):
    """A part of a photograph, perhaps mirrored, under a part of a sheet."""
    whole = photographs[rng.integers(len(photographs))]
    side = int(rng.integers(48, min(whole.size) + 1))
    x, y = (int(rng.integers(length - side + 1)) for length in whole.size)
    part = whole.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (x, y, x + side, y + side))
    for flip in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        part = part.transpose(flip) if rng.random() < 0.5 else part
    x, y = (int(number) for number in rng.integers(0, SIDE, 2))
    sheet = over[rng.integers(SHEETS)].crop((x, y, x + SIDE, y + SIDE))
    return ImageChops.add(part, sheet, 1, -128)


def write(folder, number, kind):
    rng = np.random.default_rng(0)
    photographs = [photograph(name).image.convert('RGB') for name in TRAINING]
    over = list(sheets(rng))
    for name in ('train', 'test'):
        (folder / name).mkdir(parents=True)
    for index in range(number):
        options = {'quality': int(rng.integers(85, 94))} if kind == 'jpg' else {'compress_level': 1}
        place = folder / ('train' if index % 20 else 'test')
        image(rng, photographs, over).save(place / f'{index:06}.{kind}', **options)


def data_set(folder):
    sources = {'x': {'input': str(folder), 'target': str(folder)}}
    return {'type': 'PairedImageDataset', 'sources': sources}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--number', type=int, default=100_000, help='of images (%(default)s)')
    parser.add_argument('--kind', choices=('jpg', 'png'), default='jpg')
    arguments = parser.parse_args()
    if not arguments.folder.exists():
        write(arguments.folder, arguments.number, arguments.kind)
    compat.init()
    options = {'leaks': 'warn', 'test_dataloader': {'dataset': data_set(arguments.folder / 'test')}}
    config = load_config(TINY, options)
    ours = DataLoader(PairedImageDataset(data_set(arguments.folder / 'train')['sources']))
    with tempfile.TemporaryDirectory() as cache:
        os.environ['XDG_CACHE_HOME'] = cache
        for name in ('first look', 'later one', 'later one'):
            processor, start = time.process_time(), time.perf_counter()
            notes = check_leaks(ours, config, {})
            processor, seconds = time.process_time() - processor, time.perf_counter() - start
            print(f'{name}: {processor:.1f} s of a processor, {seconds:.1f} s. {notes}', flush=True)


if __name__ == '__main__':
    main()
