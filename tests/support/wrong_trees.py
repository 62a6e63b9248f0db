"""Trees of data in which something is wrong, or only looks so, and what is said of each."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

DECLARATION = r"""
about: Rain of mine - six training and three test pairs.
label: rain
pairing: [same_name, last_number]
splits:
  train: {counts: 6, inside: [train, .], layouts: [{input: input, target: gt}]}
  test: {counts: 3, inside: [test, .], layouts: [{input: input, target: gt}]}
"""
TRAIN, TEST = [f'rain-{i}.png' for i in range(6)], [f'rain-{i}.png' for i in range(20, 23)]


def save(path, seed):
    """A picture of which the look can be told from that of others; its rain is an even gray."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC).save(path, 'PNG')


def pair(root, name, seed):
    for side in ('input', 'gt'):
        save(root / side / name, seed + 1000 * (side == 'input'))


def plant(root):
    """The tree as it should be."""
    (root / 'mine.yaml').write_text(DECLARATION)
    for part, names in (('train', TRAIN), ('test', TEST)):
        for name in names:
            pair(root / part, name, int(name[5:-4]))


@dataclass(frozen=True)
class WrongTree:
    """One thing done wrong, or that only looks wrong."""

    wrong: str
    spoil: Callable[[Path], object]
    """What is done to the right tree."""
    says: tuple[str, ...] = ()
    """What the one message holds; nothing, where the data are taken as if nothing were."""
    by_hand: bool = False
    """A warning with ``strict_data: false``, since it may be meant."""
    options: dict = field(default_factory=dict)
    """Keys of the config."""
    source: dict = field(default_factory=dict)
    """What the training's source says beside the set."""
    tested: dict = field(default_factory=dict)
    """What the test's source says."""
    answer: str = ''
    """For the table."""

    def __str__(self):
        return self.wrong


def nothing(root):
    pass


def move(one, other):
    return lambda root: shutil.move(root / one, root / other)


def _only_the_test_half(root):
    shutil.rmtree(root / 'train')


def _remove(*names):
    return lambda root: [(root / name).unlink() for name in names]


def _doubled(root):
    for side in ('input', 'gt'):
        for name in TRAIN:
            file = root / 'train' / side / name
            shutil.copy(file, file.with_name(f'{file.stem} (1).png'))


def _nested(root):
    shutil.copytree(root / 'train', root / 'train' / 'train')


def _two_sets(root):
    for i in range(3):
        save(root / 'train/input' / f'{i}x2.png', i)
        save(root / 'train/gt' / f'norain-{i}.png', i)


def _each(*names, to):
    """Rename files of both sides."""

    def spoil(root):
        for side in ('input', 'gt'):
            for name in names:
                file = root / 'train' / side / name
                file.rename(file.with_name(to(file)))

    return spoil


def _beside(name, content=b'\0\5\x16\7'):
    def spoil(root):
        for side in ('input', 'gt'):
            (root / 'train' / side / name).write_bytes(content)

    return spoil


def _spaces(root):
    shutil.move(root / 'train', root / 'my train')
    for side in ('input', 'gt'):
        for name in TRAIN:
            file = root / 'my train' / side / name
            file.rename(file.with_name(f'my {name}'))


def _linked_files(root):
    (root / 'store').mkdir()
    for side in ('input', 'gt'):
        for name in TRAIN:
            file, stored = root / 'train' / side / name, root / 'store' / f'{side}_{name}'
            file.rename(stored)
            file.symlink_to(stored)


def _linked_folder(root):
    (root / 'train').rename(root / 'elsewhere')
    (root / 'train').symlink_to('elsewhere', target_is_directory=True)


def _link_to_nothing(root):
    file = root / 'train' / 'gt' / TRAIN[2]
    file.unlink()
    file.symlink_to(root / 'gone.png')


def _circle(root):
    shutil.rmtree(root / 'train' / 'gt')
    os.symlink('gt', root / 'train' / 'gt')


def _jpeg_named_png(root):
    for name in TRAIN:
        file = root / 'train' / 'input' / name
        Image.open(file).convert('RGB').save(file, 'JPEG', quality=95)


BY_HAND = {'root': 'test'}
FITS_NOT = 'so it is not offered'
TREES = [
    WrongTree(
        'only the test half is there, in `held_out/test`',
        lambda root: (
            [_only_the_test_half(root), (root / 'held_out').mkdir()]
            and shutil.move(root / 'test', root / 'held_out/test')
        ),
        ('test fits, but it is named for testing', FITS_NOT),
        source={'root': 'held_out'},
        answer='the test half is not offered',
    ),
    WrongTree(
        'training on the test half, of which the config has a test, with `strict_data: false`',
        nothing,
        ('3 of 3 clean images of the training are images of test_dataloader',),
        options={'strict_data': False},
        source=BY_HAND,
        answer='names the first image of both',
    ),
    WrongTree(
        'training on the test half, by hand',
        nothing,
        ('3 pairs', 'is named for testing', 'as many pairs as mine (test)', 'known with 6 pairs'),
        by_hand=True,
        source=BY_HAND,
        tested={'set': None, 'input': 'train/input', 'target': 'train/gt', 'only': None},
        answer='the wrong half, its count and the published one',
    ),
    WrongTree(
        'a split that there is not',
        nothing,
        ("set mine needs a split, got 'tran'", "Did you mean 'train'"),
        source={'split': 'tran'},
        answer='names the splits',
    ),
    WrongTree(
        'a test on the training half',
        nothing,
        ('6 of 6 clean images of the training are images of test_dataloader',),
        tested={'root': 'train'},
        answer='names the first image of both',
    ),
    WrongTree(
        'orphan: a clean image is missing',
        _remove(f'train/gt/{TRAIN[3]}'),
        ('1 of 6 degraded images', 'have no clean image in', TRAIN[3], 'strict: false'),
        answer='names it, the folder and the rules that were tried',
    ),
    WrongTree(
        'half-copied: half of the clean images are missing',
        _remove(*(f'train/gt/{name}' for name in TRAIN[3:])),
        ('3 of 6 degraded images', f'{TRAIN[3]}, {TRAIN[4]}, {TRAIN[5]}'),
        answer='names the first three',
    ),
    WrongTree(
        'half-copied: half of the pairs are missing',
        _remove(*(f'train/{side}/{name}' for side in ('input', 'gt') for name in TRAIN[4:])),
        ('mine (train) is known with 6 pairs; 4 were found',),
        by_hand=True,
        answer='the published count and the one that was found',
    ),
    WrongTree(
        'half-copied: a file is cut',
        lambda root: os.truncate(root / 'train/input' / TRAIN[1], 700),
        ('1 of 12 image files cannot be used', TRAIN[1], 'truncated'),
        answer='names it',
    ),
    WrongTree(
        'doubled archive: `rain-0 (1).png` beside each',
        _doubled,
        ('mine (train) is known with 6 pairs; 12 were found',),
        by_hand=True,
        answer='the published count and the one that was found',
    ),
    WrongTree('doubled archive: unpacked once more inside', _nested, answer='the outer one'),
    WrongTree(
        'two sets mixed in one folder',
        _two_sets,
        ('Several clean images in', '0x2.png', 'norain-0.png, rain-0.png'),
        answer='names the image and the clean ones that it may have',
    ),
    WrongTree(
        'wrong suffix: WebP, which no set has',
        _each(*TRAIN, to=lambda file: f'{file.stem}.webp'),
        ('holds none of the layouts of mine (train)', 'It has gt, input'),
        source={'root': 'train'},
        tested={'root': 'test'},
        answer='what was looked for, and what is there',
    ),
    WrongTree(
        'wrong suffix: one clean image is no image by its name',
        move(f'train/gt/{TRAIN[0]}', f'train/gt/{TRAIN[0]}.part'),
        ('1 of 6 degraded images', TRAIN[0]),
        answer='names it',
    ),
    WrongTree('wrong suffix: JPEG named `.png`', _jpeg_named_png, answer='read as JPEG'),
    WrongTree('hidden files: `.cache.png`', _beside('.cache.png'), answer='left alone'),
    WrongTree("macOS' `._rain-0.png`", _beside('._rain-0.png'), answer='left alone'),
    WrongTree('`.DS_Store`, `Thumbs.db`', _beside('Thumbs.db'), answer='left alone'),
    WrongTree(
        'upper-case suffixes: `.PNG`',
        _each(*TRAIN[:3], to=lambda file: f'{file.stem}.PNG'),
        answer='taken',
    ),
    WrongTree(
        'upper-case folders: `Train/GT`',
        lambda root: [move('train/gt', 'train/GT')(root), move('train', 'Train')(root)],
        answer='taken',
    ),
    WrongTree('spaces in folders and names', _spaces, source={'root': 'my train'}, answer='taken'),
    WrongTree('symbolic links to files', _linked_files, answer='taken'),
    WrongTree('symbolic link to a folder', _linked_folder, answer='taken'),
    WrongTree(
        'symbolic link that leads nowhere',
        _link_to_nothing,
        ('1 of 12 image files cannot be used', TRAIN[2], 'does not exist'),
        answer='names it',
    ),
    WrongTree(
        'symbolic link in a circle',
        _circle,
        ('holds none of the layouts of mine (train)',),
        source={'root': 'train'},
        tested={'root': 'test'},
        answer='what was looked for',
    ),
    WrongTree(
        'network mount that is not there',
        lambda root: shutil.rmtree(root / 'train'),
        ('train does not exist', 'mine (train): Rain of mine'),
        source={'root': 'train'},
        answer='names the folder',
    ),
]
