"""Photographs to try a page with: those of installed packages, made worse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from irbox.datasets.photographs import photograph
from irbox.degradations.degradation import Degradation
from irbox.degradations.gaussian_noise import GaussianNoise
from irbox.degradations.haze import Haze
from irbox.degradations.low_light import LowLight
from irbox.degradations.snow import Snow
from irbox.degradations.sparse_rain import SparseRain

EXAMPLES: dict[str, tuple[str, type[Degradation]]] = {
    'rain': ('chelsea', SparseRain),
    'haze': ('china', Haze),
    'snow': ('rocket', Snow),
    'noise': ('grace_hopper', GaussianNoise),
    'darkness': ('coffee', LowLight),
}
"""What is wrong -> the photograph, and what makes it so."""
QUALITY = 92


def write_examples(folder: Path) -> list[Path]:
    """Write a JPEG file for each example whose package is installed, the same in every run."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(_written(folder))


def _written(folder: Path) -> Iterator[Path]:
    for seed, (wrong, (name, degradation)) in enumerate(EXAMPLES.items()):
        try:
            clean = photograph(name).image
        except ImportError:
            continue
        values = np.asarray(clean.convert('RGB'), dtype=np.float32) / 255
        worse = degradation()(values, np.random.default_rng(seed))
        path = folder / f'{name}_{wrong}.jpg'
        Image.fromarray(np.rint(worse * 255).astype(np.uint8)).save(path, quality=QUALITY)
        yield path
