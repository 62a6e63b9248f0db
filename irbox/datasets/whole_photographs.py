"""Whole photographs to test or to choose by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from zlib import crc32

import numpy as np
from annotated_types import MinLen
from PIL import Image
from torch.utils.data import Dataset

from irbox.datasets.degraded_crops import Config, build_chains
from irbox.datasets.pair_operations import to_tensor
from irbox.datasets.photographs import RESERVED, TRAINING, photograph
from irbox.degradations.degradation import round_to_8_bits
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import DATASETS
from irbox.utils.bounded import NonNegativeInt, PositiveInt

SETS = {'training': TRAINING, 'reserved': RESERVED}


@DATASETS.register_module()
class WholePhotographs(Dataset[dict[str, Any]]):
    """Photographs that installed packages bring along, whole, each degraded several times.

    A sample is a pure function of the photograph, the label, the number of the draw and ``seed``:
    other labels or photographs beside it change nothing. Degraded images are rounded to 8 bits,
    like files. Nothing is known beyond a photograph's border, so that a blur mirrors it there.

    Args:
        degradations: Label to degradation, or to a list of degradations, as for
            ``EmbeddedDataset``; an empty list leaves images clean.
        photographs: ``reserved`` are china, chelsea and grace_hopper, which nothing that makes a
            shipped model may see; ``training`` are those that trainings see, to choose by; or
            names.
        longest_side: Larger photographs are scaled down to it, in pixels.
        draws: How often each photograph is degraded by each label. Where nothing is random, once
            would do.
        seed: Of everything random.

    Items:
        ``image`` and ``target``, (3, H, W) float32 in 0 to 1, degraded and clean; ``label``;
        ``name``.

    Raises:
        ValueError: There is no degradation, or a photograph is unknown.
        ImportError: The package that brings a photograph is not installed.
    """

    def __init__(
        self,
        degradations: Mapping[str, Config | Sequence[Config] | None],
        photographs: Literal['reserved', 'training']
        | Annotated[Sequence[str], MinLen(1)] = 'reserved',
        longest_side: PositiveInt = 512,
        draws: PositiveInt = 3,
        seed: NonNegativeInt = 0,
    ) -> None:
        chains = build_chains(degradations)
        self.labels, self.chains = tuple(chains), tuple(chains.values())
        self.names = tuple(SETS[photographs] if isinstance(photographs, str) else photographs)
        known = (*TRAINING, *RESERVED)
        if unknown := [name for name in self.names if name not in known]:
            raise ValueError(
                f'photographs: {unknown[0]!r} is unknown. Choose among {", ".join(known)}.'
            )
        self.longest_side, self.draws, self.seed = longest_side, draws, seed
        self.photographs = [photograph(name) for name in self.names]

    def __len__(self) -> int:
        return len(self.labels) * len(self.names) * self.draws

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range: there are {len(self)} samples.')
        rest, draw = divmod(index, self.draws)
        which, number = divmod(rest, len(self.names))
        source, label = self.photographs[number], self.labels[which]
        rng = np.random.default_rng((self.seed, draw, crc32(f'{source.name} {label}'.encode())))
        clean, depth = self._resize(source.image), source.depth
        far = (
            synthetic_depth(rng, (clean.height, clean.width))
            if depth is None
            else np.asarray(depth.resize(clean.size, Image.Resampling.BILINEAR))
        )
        target = np.asarray(clean, dtype=np.float32) / np.float32(255)
        degraded = target
        for step in self.chains[which]:
            degraded = step(degraded, rng, far)
        return {
            'image': to_tensor(round_to_8_bits(degraded)),
            'target': to_tensor(target),
            'label': label,
            'name': f'{source.name}_{label}_{draw + 1}',
        }

    @property
    def metainfo(self) -> dict[str, Any]:
        """Give what mmengine passes on to evaluators: the labels that samples carry."""
        return {'labels': self.labels}

    @property
    def task_counts(self) -> dict[str, float]:
        """Map a label to its samples."""
        return dict.fromkeys(self.labels, float(len(self.names) * self.draws))

    def _resize(self, image: Image.Image) -> Image.Image:
        scale = self.longest_side / max(image.size)
        if scale >= 1:
            return image
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return image.resize(size, Image.Resampling.HAMMING)
