"""A folder of generated scenes, and reading parts of them."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from irbox.datasets.photographs import Photograph
from irbox.datasets.scenes.scene_generator import Scene

RECORD = 'bank.json'
PIXEL = np.dtype([('rgb', 'u1', 3), ('depth', '<u2')])
"""A pixel of a file; depth from 0 near to 65535 far."""
APART = ('scene_bank', 'write_bank', 'fit_colors', 'statistics', 'statistics_figure')
# Beyond a window, for the filters that scale it.
BORDER = 8


@cache
def generator_version() -> str:
    """Give a digest of the code and the colours that scenes are made with."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*folder.rglob('*.py'), *folder.glob('*.yaml')]):
        # What reads scenes, or measures them, does not change them.
        if path.stem not in APART:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def check_size(size: int, place: str) -> None:
    """Refuse scenes of one pixel, which no shadow can be drawn for.

    It is said here, apart from the generator: banks stay good when it is worded anew.

    Args:
        size: Height and width of a scene.
        place: Of the generator's options, for the message.

    Raises:
        ValueError: It is less than 2.
    """
    if size < 2:
        raise ValueError(f'{place}.size: {size} must be at least 2, such as 512.')


def scene_file(folder: Path, number: int) -> Path:
    """Name the file of a scene."""
    return folder / f'scene_{number:06d}.npy'


def scene_pixels(scene: Scene) -> np.ndarray:
    """Pack a scene as files hold it, (H, W) of ``PIXEL``."""
    pixels = np.empty(scene.depth.shape, PIXEL)
    pixels['rgb'] = scene.image
    pixels['depth'] = np.rint(65535 * scene.depth.clip(0, 1))
    return pixels


class SceneBank:
    """Reads a bank that ``irbox make-scenes`` has written.

    Files are NumPy arrays that are not compressed: of a crop only its own pages are read, which is
    50 times faster than decoding a PNG, and takes twice its space.

    Args:
        folder: Of the bank.

    Raises:
        FileNotFoundError: There is no bank in the folder, or it is not finished.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        record = read_record(self.folder)
        if record is None:
            raise FileNotFoundError(
                f'{self.folder} is no bank of scenes: it has no {RECORD} (looked from '
                f'{Path.cwd()}). Make one with: irbox make-scenes {self.folder}'
            )
        self.count: int = record['count']
        self.size: int = record['options']['size']
        missing = [n for n in range(self.count) if not scene_file(self.folder, n).exists()]
        if missing:
            raise FileNotFoundError(
                f'{self.folder} holds {self.count - len(missing)} of {self.count} scenes. Finish '
                f'it with: {command_of(self.folder, record)}'
            )

    def __len__(self) -> int:
        return self.count

    def read(
        self, number: int, window: tuple[float, float, float, float] | None = None
    ) -> tuple[Photograph, tuple[float, float, float, float]]:
        """Read a scene, or as much of it as a window needs.

        Args:
            number: Of the scene.
            window: Left, top, right and bottom in pixels; all by default.

        Returns:
            The picture with its depth, and where the window lies in it.
        """
        pixels = np.load(scene_file(self.folder, number), mmap_mode='r')
        left, top, right, bottom = window or (0, 0, self.size, self.size)
        x, y = max(0, int(left) - BORDER), max(0, int(top) - BORDER)
        part = pixels[y : int(bottom) + 1 + BORDER, x : int(right) + 1 + BORDER]
        image = Image.fromarray(np.ascontiguousarray(part['rgb']))
        depth = Image.fromarray(part['depth'] * np.float32(1 / 65535))
        picture = Photograph(f'scene_{number}', image, depth)
        return picture, (left - x, top - y, right - x, bottom - y)


def command_of(folder: Path, record: Mapping[str, Any]) -> str:
    """Give the command that goes on with a bank: with other options it would be refused."""
    words = ['irbox', 'make-scenes', str(folder), '--num', str(record['count'])]
    options = dict(record['options'])
    for key in ('size', 'seed'):
        if key in options:
            words += [f'--{key}', str(options.pop(key))]
    if options:
        words += ['--options', *(f'{key}={json.dumps(one)}' for key, one in options.items())]
    return shlex.join(words)


def read_record(folder: Path) -> Mapping[str, Any] | None:
    """Read what a bank was made with: count, options and version; None where there is none."""
    path = folder / RECORD
    if not path.is_file():
        return None
    record: Mapping[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return record
