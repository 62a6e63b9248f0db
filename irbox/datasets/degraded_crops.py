"""Crops of clean pictures, degraded on the fly: what the data sets without a download share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from irbox.datasets.color_jitter import color_jitter
from irbox.datasets.draw_weights import label_shares
from irbox.datasets.pair_operations import dihedral, to_tensor
from irbox.datasets.photographs import Photograph
from irbox.degradations.degradation import as_in_a_file, round_to_8_bits
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS

Config = Mapping[str, Any]
Window = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


class DegradedCrops(Dataset[dict[str, Any]]):
    """Random crops of clean pictures with depth, degraded on the fly and rounded to 8 bits.

    Subclasses say where pictures come from, ``_draw_part``. A sample is a pure function of
    ``(seed, index, draw)``; ``dataset[index]`` means draw 0. The arguments are documented by the
    data sets that are registered.
    """

    def __init__(
        self,
        degradations: Mapping[str, Config | Sequence[Config] | None],
        weights: Mapping[str, float] | None,
        patch_size: int,
        length: int,
        max_scale: float,
        dihedral: bool,
        color_jitter: bool,
        seed: int,
    ) -> None:
        chains = build_chains(degradations)
        self.labels = tuple(chains)
        self.chains = tuple(chains.values())
        self.shares = label_shares(weights or {}, self.labels)
        self.margins = [sum(getattr(step, 'margin', 0) for step in chain) for chain in self.chains]
        self.patch_size = patch_size
        self.length = length
        self.max_scale = max_scale
        self.dihedral = dihedral
        self.color_jitter = color_jitter
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        index, draw = item if isinstance(item, tuple) else (item, 0)
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range: there are {len(self)} samples.')
        rng = np.random.default_rng((self.seed, index, draw))
        return self._draw_sample(index, draw, rng)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Give what mmengine passes on to evaluators: the labels that samples carry."""
        return {'labels': self.labels}

    @property
    def task_counts(self) -> dict[str, float]:
        """Map a label to its samples in an epoch, on average."""
        shares = dict(zip(self.labels, self.shares.tolist(), strict=True))
        return {label: share * len(self) for label, share in shares.items()}

    @abstractmethod
    def _draw_part(
        self, side: int, draw: int, rng: np.random.Generator
    ) -> tuple[Photograph, Window]:
        """Choose a picture, or enough of one, and a square of it, at least ``side`` wide."""

    def _draw_sample(self, index: int, draw: int, rng: np.random.Generator) -> dict[str, Any]:
        which = rng.choice(len(self.labels), p=self.shares)
        side = self.patch_size + 2 * self.margins[which]
        picture, window = self._draw_part(side, draw, rng)
        clean, depth = cut(picture, window, side, rng)
        if self.dihedral:
            mode = int(rng.integers(8))
            clean, depth = dihedral(clean, mode), dihedral(depth, mode)
        if self.color_jitter and rng.random() < 0.5:
            clean = round_to_8_bits(color_jitter(clean, rng))
        return self._degraded(clean, depth, which, f'{picture.name}_{index}', rng)

    def _degraded(
        self, clean: np.ndarray, depth: np.ndarray, which: int, name: str, rng: np.random.Generator
    ) -> dict[str, Any]:
        degraded = clean
        for step in self.chains[which]:
            degraded = step(degraded, rng, depth)
        inner = slice(self.margins[which], -self.margins[which] or None)
        return {
            'image': to_tensor(as_in_a_file(degraded[inner, inner], self.chains[which])),
            'target': to_tensor(clean[inner, inner]),
            'label': self.labels[which],
            'name': name,
        }

    def _draw_window(self, size: tuple[int, int], side: int, rng: np.random.Generator) -> Window:
        """Draw a square, ``side`` to ``side * max_scale`` wide, of a picture of a size."""
        width, height = size
        wide = side * rng.uniform(1, max(1, min(self.max_scale, min(width, height) / side)))
        # Whole pixels where nothing is scaled, so that the crop is the picture's own pixels.
        if self.max_scale == 1:
            left = float(rng.integers(width - side + 1))
            top = float(rng.integers(height - side + 1))
        else:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - wide)
        return left, top, left + wide, top + wide

    def _check_patch_fits(self, shortest: int, what: str) -> None:
        margin = max(self.margins)
        most = shortest - 2 * margin
        if self.patch_size > most:
            raise ValueError(
                f'patch_size={self.patch_size} does not fit {what}. '
                f'Use {most} at most (the degradations need a margin of {margin}).'
            )


def build_chains(
    degradations: Mapping[str, Config | Sequence[Config] | None],
) -> dict[str, tuple[Any, ...]]:
    """Build the degradations of each label that is not ``None``.

    Raises:
        ValueError: There is none, a label has a slash, or a degradation cannot be built.
    """
    named = {label: steps for label, steps in degradations.items() if steps is not None}
    if not named:
        raise ValueError('degradations is empty: name at least one, such as haze: {type: Haze}.')
    return {label: _chain(label, steps) for label, steps in named.items()}


def _chain(label: str, steps: Config | Sequence[Config]) -> tuple[Any, ...]:
    steps = [steps] if isinstance(steps, Mapping) else steps
    if '/' in label:
        raise ValueError(
            f"Label {label!r} contains '/': labels become file names. Use '_' instead."
        )
    return tuple(TRANSFORMS.build(step) for step in steps)


def cut(
    picture: Photograph, window: Window, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a square of a picture, scaled to ``side``, and its depth.

    Args:
        picture: With its depth, or without: then a plausible one is drawn.
        window: The square.
        side: Height and width of the result.
        rng: For the depth.

    Returns:
        (side, side, 3) float32 in 0 to 1, and the depth, (side, side) float32.
    """
    # Pillow widens its filter when it shrinks, so that nothing aliases.
    clean = np.asarray(picture.image.resize((side, side), Image.Resampling.HAMMING, box=window))
    if picture.depth is None:
        width, height = picture.image.size
        parts = (window[0] / width, window[1] / height, window[2] / width, window[3] / height)
        far = synthetic_depth(rng, (side, side), parts)
    else:
        far = np.asarray(picture.depth.resize((side, side), Image.Resampling.BILINEAR, box=window))
    return clean.astype(np.float32) / np.float32(255), far
