"""Training and test data without a download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, doc
from PIL import Image
from torch.utils.data import Dataset

from irbox.datasets.color_jitter import color_jitter
from irbox.datasets.dead_leaves import dead_leaves
from irbox.datasets.draw_weights import label_shares
from irbox.datasets.pair_operations import dihedral, to_tensor
from irbox.datasets.photographs import HELD_OUT, TRAINING, photograph
from irbox.degradations.degradation import round_to_8_bits
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import DATASETS, TRANSFORMS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt, Share

Config = Mapping[str, Any]

CANVASES = 16
CANVAS_SIZE = 512
DRAWS_PER_CANVAS = 256


@DATASETS.register_module()
class EmbeddedDataset(Dataset[dict[str, Any]]):
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
        named = {label: steps for label, steps in degradations.items() if steps is not None}
        chains = {label: _chain(label, steps) for label, steps in named.items()}
        if not chains:
            raise ValueError(
                'degradations is empty: name at least one, such as haze: {type: Haze}.'
            )
        self.labels = tuple(chains)
        self.chains = tuple(chains.values())
        self.shares = label_shares(weights or {}, self.labels)
        self.margins = [sum(getattr(step, 'margin', 0) for step in chain) for chain in self.chains]
        self.split = split
        self.patch_size = patch_size
        self.length = length
        self.dead_leaves = dead_leaves
        self.max_scale = max_scale
        self.dihedral = dihedral
        self.color_jitter = color_jitter
        self.size = size
        self.crops = crops
        self.seed = seed
        self.photographs = [
            photograph(name) for name in (TRAINING if split == 'train' else HELD_OUT)
        ]
        self._check_patch_fits()

    def __len__(self) -> int:
        if self.split == 'train':
            return self.length
        return len(self.photographs) * self.crops * len(self.labels)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        index, draw = item if isinstance(item, tuple) else (item, 0)
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range: there are {len(self)} samples.')
        rng = np.random.default_rng((self.seed, index, draw))
        if self.split == 'test':
            return self._test_sample(index, rng)
        return self._training_sample(index, draw, rng)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Give what mmengine passes on to evaluators: the labels that samples carry."""
        return {'labels': self.labels}

    @property
    def task_counts(self) -> dict[str, float]:
        """Map a label to its samples in an epoch, in training on average."""
        shares = dict(zip(self.labels, self.shares.tolist(), strict=True))
        if self.split == 'test':
            shares = dict.fromkeys(self.labels, 1 / len(self.labels))
        return {label: share * len(self) for label, share in shares.items()}

    def _training_sample(self, index: int, draw: int, rng: np.random.Generator) -> dict[str, Any]:
        which = rng.choice(len(self.labels), p=self.shares)
        picture_depth: Image.Image | None
        if rng.random() < self.dead_leaves:
            # Canvases come and go with the draws, so that a long training sees ever new ones; which
            # one a draw uses does not depend on what was drawn before.
            number = draw // DRAWS_PER_CANVAS + int(rng.integers(CANVASES))
            name = f'leaves_{number}'
            picture, picture_depth = _canvas(self.seed, number)
        else:
            source = self.photographs[rng.integers(len(self.photographs))]
            name, picture, picture_depth = source.name, source.image, source.depth
        side = self.patch_size + 2 * self.margins[which]
        window = self._draw_window(picture.size, side, rng)
        clean, depth = _cut(picture, picture_depth, window, side, rng)
        if self.dihedral:
            mode = int(rng.integers(8))
            clean, depth = dihedral(clean, mode), dihedral(depth, mode)
        if self.color_jitter and rng.random() < 0.5:
            clean = round_to_8_bits(color_jitter(clean, rng))
        return self._sample(clean, depth, which, f'{name}_{index}', rng)

    def _test_sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        rest, which = divmod(index, len(self.labels))
        number, crop = divmod(rest, self.crops)
        source = self.photographs[number]
        width, height = source.image.size
        short = min(width, height)
        share = (crop + 0.5) / self.crops if self.crops == 1 else crop / (self.crops - 1)
        left, top = share * (width - short), share * (height - short)
        window = (left, top, left + short, top + short)
        clean, depth = _cut(source.image, source.depth, window, self.size, rng)
        pad = ((self.margins[which], self.margins[which]),) * 2
        clean = np.pad(clean, (*pad, (0, 0)), mode='reflect')
        depth = np.pad(depth, pad, mode='reflect')
        part = f'_{crop + 1}' if self.crops > 1 else ''
        return self._sample(clean, depth, which, f'{source.name}{part}_{self.labels[which]}', rng)

    def _sample(
        self, clean: np.ndarray, depth: np.ndarray, which: int, name: str, rng: np.random.Generator
    ) -> dict[str, Any]:
        degraded = clean
        for step in self.chains[which]:
            degraded = step(degraded, rng, depth)
        inner = slice(self.margins[which], -self.margins[which] or None)
        return {
            'image': to_tensor(round_to_8_bits(degraded[inner, inner])),
            'target': to_tensor(clean[inner, inner]),
            'label': self.labels[which],
            'name': name,
        }

    def _draw_window(
        self, size: tuple[int, int], side: int, rng: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """Draw a square, ``side`` to ``side * max_scale`` wide: left, top, right, bottom."""
        width, height = size
        wide = side * rng.uniform(1, max(1, min(self.max_scale, min(width, height) / side)))
        # Whole pixels where nothing is scaled, so that the crop is the photograph's own pixels.
        if self.max_scale == 1:
            left = float(rng.integers(width - side + 1))
            top = float(rng.integers(height - side + 1))
        else:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - wide)
        return left, top, left + wide, top + wide

    def _check_patch_fits(self) -> None:
        smallest = min(self.photographs, key=lambda source: min(source.image.size))
        margin = max(self.margins)
        most = min(smallest.image.size) - 2 * margin
        if self.split == 'train' and self.patch_size > most:
            raise ValueError(
                f'patch_size={self.patch_size} does not fit the photograph {smallest.name}. '
                f'Use {most} at most (the degradations need a margin of {margin}).'
            )


def _chain(label: str, steps: Config | Sequence[Config]) -> tuple[Any, ...]:
    steps = [steps] if isinstance(steps, Mapping) else steps
    if '/' in label:
        raise ValueError(
            f"Label {label!r} contains '/': labels become file names. Use '_' instead."
        )
    return tuple(TRANSFORMS.build(step) for step in steps)


def _cut(
    picture: Image.Image,
    depth: Image.Image | None,
    window: tuple[float, float, float, float],
    side: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a square of a picture, scaled to ``side``, 0 to 1, and its depth (drawn if unknown)."""
    # Pillow widens its filter when it shrinks, so that nothing aliases.
    clean = np.asarray(picture.resize((side, side), Image.Resampling.HAMMING, box=window))
    if depth is None:
        width, height = picture.size
        parts = (window[0] / width, window[1] / height, window[2] / width, window[3] / height)
        far = synthetic_depth(rng, (side, side), parts)
    else:
        far = np.asarray(depth.resize((side, side), Image.Resampling.BILINEAR, box=window))
    return clean.astype(np.float32) / np.float32(255), far


@lru_cache(maxsize=CANVASES + 1)
def _canvas(seed: int, number: int) -> tuple[Image.Image, Image.Image]:
    """Draw dead leaves number so-and-so with their depth: a pure function of seed and number."""
    rng = np.random.default_rng((seed, number))
    colours = photograph(TRAINING[rng.integers(len(TRAINING))]).image.resize(
        (64, 64), Image.Resampling.NEAREST
    )
    palette = np.asarray(colours).reshape(-1, 3)
    canvas, depth = dead_leaves(rng, CANVAS_SIZE, palette)
    return Image.fromarray(canvas), Image.fromarray(depth)
