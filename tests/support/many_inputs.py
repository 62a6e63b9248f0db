"""Very many damaged files through each reader: a result, or the one message.

``PYTHONPATH=tests python -m support.many_inputs images --number 1000000`` says what came of them.
Unlike ``support.fuzz`` it looks for nothing in particular and is as fast as the reader.
"""

import argparse
import logging
import random
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from irbox.config.load_config import load_config
from irbox.datasets.pairs.declaration_file import read_declaration
from irbox.datasets.read_image import image_size, open_image
from irbox.pictures.read_picture import read_picture
from irbox.restore.masks import read_mask
from irbox.utils.weights import read_weights
from support.fuzz import plain
from support.paths import ROOT
from support.picture_files import photograph, saved

NUMBERS = (b'\0', b'\xff', b'\x7f', b'\x80', b'\0\0', b'\xff\xff', b'\0\0\0\0', b'\xff\xff\xff\xff')


def images():
    small = Image.fromarray(photograph()[::4, ::4].copy())
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, 'a text'
    plain = [saved(small, kind) for kind in ('BMP', 'GIF', 'PPM')]
    lzw = saved(small, 'TIFF', compression='tiff_lzw')
    return [
        *plain,
        lzw,
        *(saved(small, kind, exif=exif) for kind in ('PNG', 'JPEG', 'TIFF', 'WEBP')),
    ]


def weights(suffix):
    tensors = {'a.weight': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(4, dtype=torch.int64)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'a')
        if suffix == '.safetensors':
            save_file(tensors, path, {'note': 'x'})
            return [path.read_bytes()]
        found = []
        for zipped in (True, False):
            torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
            found.append(path.read_bytes())
        return found


def configs():
    whole = load_config(ROOT / 'configs/m2ir_demo.py').to_dict()
    keys = ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg')
    return [yaml.safe_dump(plain({key: whole[key] for key in keys})).encode()]


# What reads a file, the files that are damaged, and the suffix.
READERS = {
    'images': (open_image, images, '.png'),
    'sizes': (image_size, images, '.png'),
    'masks': (lambda path: read_mask(path, (12, 16)), images, '.png'),
    'pictures': (read_picture, images, '.png'),
    'weights': (read_weights, lambda: weights('.pth'), '.pth'),
    'safetensors': (read_weights, lambda: weights('.safetensors'), '.safetensors'),
    'configs': (load_config, configs, '.yaml'),
    'declarations': (
        read_declaration,
        lambda: [path.read_bytes() for path in sorted(ROOT.glob('irbox/datasets/sets/*.yaml'))],
        '.yaml',
    ),
}


def damage(content, generator):
    """One to four bytes or short runs of them set, left out or doubled; one in six is cut."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 4))):
        at = generator.randrange(min(len(data), 64) if generator.random() < 0.4 else len(data))
        kind = generator.random()
        if kind < 0.7:
            new = generator.choice(NUMBERS) if generator.random() < 0.5 else generator.randbytes(1)
            data[at : at + len(new)] = new
        elif kind < 0.85:
            del data[at : at + generator.randrange(1, 9)]
        else:
            data[at:at] = data[at : at + generator.randrange(1, 9)]
        if not data:
            return b''
    if generator.random() < 1 / 6:
        del data[generator.randrange(len(data)) :]
    return bytes(data)


def run(reader, number, seed=0):
    """Count what was read and what was refused.

    Raises:
        Exception: Whatever else a reader raised.
    """
    read, files, suffix = READERS[reader]
    generator, sources, found = random.Random(seed), files(), Counter()
    logging.getLogger('tifffile').setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        path = Path(folder, f'a{suffix}')
        for index in range(number):
            path.write_bytes(damage(generator.choice(sources), generator))
            try:
                read(path)
            except (ValueError, FileNotFoundError, ImportError) as error:
                # A message of ours names the file; a mask its argument, a config the place.
                if path.name not in str(error) and reader not in ('masks', 'configs'):
                    raise AssertionError(f'input {index} of seed {seed}: {error}') from error
                found['refused'] += 1
            except Exception as error:
                raise AssertionError(f'input {index} of seed {seed}: {error!r}') from error
            else:
                found['read'] += 1
    return found


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('reader', choices=READERS)
    parser.add_argument('--number', type=int, default=1_000_000)
    parser.add_argument('--seed', type=int, default=0)
    given = parser.parse_args()
    start = time.process_time()
    counts = run(given.reader, given.number, given.seed)
    print(given.reader, dict(counts), f'{time.process_time() - start:.0f} s of a processor')
