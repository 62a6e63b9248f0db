"""Training and test data without a download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, doc
from PIL import Image

from irbox.datasets.dead_leaves import dead_leaves
from irbox.datasets.degraded_crops import Config, DegradedCrops, Window, cut
from irbox.datasets.photographs import HELD_OUT, TRAINING, Photograph, photograph
from irbox.registry import DATASETS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt, Share

CANVASES = 16
CANVAS_SIZE = 512
DRAWS_PER_CANVAS = 256


@DATASETS.register_module()
class EmbeddedDataset(DegradedCrops):
    """Photographs that installed packages bring along, and dead leaves, degraded on the fly.

    Training samples are random crops of five photographs and of dead-leaves canvases with depth;
    test samples are squares of two other photographs. Degraded images are rounded to 8 bits, like
    files.

    A sample is a pure function of ``(seed, index, draw)``: neither the number of workers nor the
    order of the calls changes it. ``dataset[index, draw]`` is what ``DrawSampler`` asks for,
    ``dataset[index]`` means draw 0.

    Args:
        degradations: Label to degradation, or to a list of degradations applied one after the
            other, each described by a mapping with ``type``; an empty list leaves images clean.
            ``null`` takes a label of a base config away.
        split: ``train`` or ``test``.
        weights: Label to how often it is drawn in training, relative to the others; those not named
            count 1. All the same by default.
        patch_size: Height and width of training samples.
        length: Number of training samples in an epoch.
        dead_leaves: Share of training samples that come from dead-leaves canvases.
        max_scale: Training crops are cut up to this much larger and scaled down, which shows the
            few photographs from many distances. 1 never scales.
        dihedral: Flip and turn training crops, all eight ways alike.
        color_jitter: Change the colours of half of the clean training crops.
        size: Height and width of test samples: squares as wide as the photograph's shorter side are
            scaled down to it.
        crops: Squares per test photograph and label, evenly spaced along its longer side; 1 is the
            middle.
        seed: Of everything random.

    Items:
        ``image`` and ``target``, (3, H, W) float32 in 0 to 1, degraded and clean; ``label``;
        ``name``.

    Raises:
        ValueError: An option is out of its range, or names an unknown label.
        ImportError: scikit-learn, which brings two of the photographs, is not installed.
    """

    def __init__(
        self,
        degradations: Mapping[str, Config | Sequence[Config] | None],
        split: Literal['train', 'test'] = 'train',
        weights: Mapping[str, NonNegativeFloat] | None = None,
        patch_size: PositiveInt = 128,
        length: PositiveInt = 10_000,
        dead_leaves: Share = 0.3,
        max_scale: Annotated[float, Ge(1), doc('Crops are never enlarged.')] = 2.5,
        dihedral: bool = True,
        color_jitter: bool = False,
        size: PositiveInt = 256,
        crops: PositiveInt = 1,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__(
            degradations, weights, patch_size, length, max_scale, dihedral, color_jitter, seed
        )
        self.split = split
        self.dead_leaves = dead_leaves
        self.size = size
        self.crops = crops
        self.photographs = [
            photograph(name) for name in (TRAINING if split == 'train' else HELD_OUT)
        ]
        if split == 'train':
            smallest = min(self.photographs, key=lambda source: min(source.image.size))
            self._check_patch_fits(min(smallest.image.size), f'the photograph {smallest.name}')

    def __len__(self) -> int:
        if self.split == 'train':
            return self.length
        return len(self.photographs) * self.crops * len(self.labels)

    @property
    def task_counts(self) -> dict[str, float]:
        """Map a label to its samples in an epoch, in training on average."""
        if self.split == 'test':
            return dict.fromkeys(self.labels, len(self) / len(self.labels))
        return super().task_counts

    def _draw_sample(self, index: int, draw: int, rng: np.random.Generator) -> dict[str, Any]:
        if self.split == 'test':
            return self._test_sample(index, rng)
        return super()._draw_sample(index, draw, rng)

    def _draw_part(
        self, side: int, draw: int, rng: np.random.Generator
    ) -> tuple[Photograph, Window]:
        if rng.random() < self.dead_leaves:
            # Canvases come and go with the draws, so that a long training sees ever new ones; which
            # one a draw uses does not depend on what was drawn before.
            picture = _canvas(self.seed, draw // DRAWS_PER_CANVAS + int(rng.integers(CANVASES)))
        else:
            picture = self.photographs[rng.integers(len(self.photographs))]
        return picture, self._draw_window(picture.image.size, side, rng)

    def _test_sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        rest, which = divmod(index, len(self.labels))
        number, crop = divmod(rest, self.crops)
        source = self.photographs[number]
        width, height = source.image.size
        short = min(width, height)
        share = (crop + 0.5) / self.crops if self.crops == 1 else crop / (self.crops - 1)
        left, top = share * (width - short), share * (height - short)
        window = (left, top, left + short, top + short)
        clean, depth = cut(source, window, self.size, rng)
        pad = ((self.margins[which], self.margins[which]),) * 2
        clean = np.pad(clean, (*pad, (0, 0)), mode='reflect')
        depth = np.pad(depth, pad, mode='reflect')
        part = f'_{crop + 1}' if self.crops > 1 else ''
        return self._degraded(clean, depth, which, f'{source.name}{part}_{self.labels[which]}', rng)


@lru_cache(maxsize=CANVASES + 1)
def _canvas(seed: int, number: int) -> Photograph:
    """Draw dead leaves number so-and-so with their depth: a pure function of seed and number."""
    rng = np.random.default_rng((seed, number))
    colours = photograph(TRAINING[rng.integers(len(TRAINING))]).image.resize(
        (64, 64), Image.Resampling.NEAREST
    )
    palette = np.asarray(colours).reshape(-1, 3)
    canvas, depth = dead_leaves(rng, CANVAS_SIZE, palette)
    return Photograph(f'leaves_{number}', Image.fromarray(canvas), Image.fromarray(depth))
