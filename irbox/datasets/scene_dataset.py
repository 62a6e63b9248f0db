"""Training data of generated scenes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, doc
from PIL import Image

from irbox.datasets.degraded_crops import Config, DegradedCrops, Window
from irbox.datasets.photographs import TRAINING, Photograph, photograph
from irbox.datasets.scenes.scene_bank import SceneBank, check_size
from irbox.datasets.scenes.scene_generator import SceneGenerator, make_generator
from irbox.registry import DATASETS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt, Share

LIVE_SCENES = 16
DRAWS_PER_SCENE = 256


@DATASETS.register_module()
class SceneDataset(DegradedCrops):
    """Crops of generated scenes, degraded on the fly; the scenes' depth drives haze and rain.

    Scenes come from a bank that ``irbox make-scenes`` has written, or are drawn while training,
    about two seconds each: then ``LIVE_SCENES`` are in use at a time, and every ``DRAWS_PER_SCENE``
    draws a new one takes the place of the oldest. Degraded images are rounded to 8 bits, like
    files.

    A sample is a pure function of ``(seed, index, draw)``: neither the number of workers nor the
    order of the calls changes it.

    Args:
        degradations: Label to degradation, or to a list of degradations applied one after the
            other, each described by a mapping with ``type``; an empty list leaves images clean.
            ``null`` takes a label of a base config away.
        bank: Folder of a bank; scenes are drawn on the fly by default.
        scenes: Options of ``SceneGenerator`` for scenes on the fly, such as ``{light: false}``.
        photographs: Share of samples that come from the five training photographs of installed
            packages instead.
        weights: Label to how often it is drawn, relative to the others; those not named count 1.
        patch_size: Height and width of samples.
        length: Number of samples in an epoch.
        max_scale: Crops are cut up to this much larger and scaled down. 1 never scales.
        dihedral: Flip and turn crops, all eight ways alike.
        color_jitter: Change the colours of half of the clean crops.
        seed: Of everything random.

    Items:
        ``image`` and ``target``, (3, H, W) float32 in 0 to 1, degraded and clean; ``label``;
        ``name``.

    Raises:
        ValueError: An option is out of its range, or names an unknown label; a bank and options
            for scenes are both given.
        FileNotFoundError: There is no finished bank in the folder.
        ImportError: Photographs are asked for and scikit-learn, which brings one, is not installed.
    """

    def __init__(
        self,
        degradations: Mapping[str, Config | Sequence[Config] | None],
        bank: str | Path | None = None,
        scenes: Mapping[str, Any] | None = None,
        photographs: Share = 0.0,
        weights: Mapping[str, NonNegativeFloat] | None = None,
        patch_size: PositiveInt = 128,
        length: PositiveInt = 10_000,
        max_scale: Annotated[float, Ge(1), doc('Crops are never enlarged.')] = 1.5,
        dihedral: bool = True,
        color_jitter: bool = False,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__(
            degradations, weights, patch_size, length, max_scale, dihedral, color_jitter, seed
        )
        if bank is not None and scenes is not None:
            raise ValueError(
                f'bank={str(bank)!r} holds scenes of its own options: take `scenes` away, or '
                '`bank` for scenes on the fly.'
            )
        if scenes is not None:
            check_size(make_generator(scenes).size, 'scenes')
        self.bank = None if bank is None else SceneBank(bank)
        # As text, which a cache can tell apart.
        self.scenes = json.dumps({'seed': seed, **(scenes or {})}, sort_keys=True)
        self.size = self.bank.size if self.bank else _generator(self.scenes).size
        self._check_patch_fits(self.size, f'the scenes, {self.size} wide and high')
        self.share = photographs
        self.photographs = [photograph(name) for name in TRAINING] if photographs else []
        for picture in self.photographs:
            self._check_patch_fits(min(picture.image.size), f'the photograph {picture.name}')

    def _draw_part(
        self, side: int, draw: int, rng: np.random.Generator
    ) -> tuple[Photograph, Window]:
        if rng.random() < self.share:
            picture = self.photographs[rng.integers(len(self.photographs))]
            return picture, self._draw_window(picture.image.size, side, rng)
        if self.bank is not None:
            number = int(rng.integers(len(self.bank)))
            return self.bank.read(number, self._draw_window((self.size, self.size), side, rng))
        number = draw // DRAWS_PER_SCENE + int(rng.integers(LIVE_SCENES))
        return _scene(self.scenes, number), self._draw_window((self.size, self.size), side, rng)


@lru_cache(maxsize=4)
def _generator(options: str) -> SceneGenerator:
    return SceneGenerator(**json.loads(options))


@lru_cache(maxsize=LIVE_SCENES + 1)
def _scene(options: str, number: int) -> Photograph:
    scene = _generator(options).draw(number)
    return Photograph(f'scene_{number}', Image.fromarray(scene.image), Image.fromarray(scene.depth))
