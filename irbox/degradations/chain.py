"""Several degradations as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from irbox.degradations.degradation import Degradation
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Chain(Degradation):
    """Degradations one after the other; the order is the order of nature.

    First what lies in the scene (haze, rain, snow), then what the lens does (drops on it, defocus,
    motion), then the sensor (too little light, noise), at last the file (JPEG). Data sets take
    lists by themselves; this is for a chain within another part, such as ``OneOf``. Results are
    clipped after each step, as in data sets.

    Args:
        transforms: The steps, each a mapping with ``type``. None at all leave the image as it is.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        self.steps = [TRANSFORMS.build(one) for one in transforms]
        self.margin = sum(getattr(step, 'margin', 0) for step in self.steps)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        degraded = image
        for step in self.steps:
            degraded = step(degraded, rng, depth)
        return degraded
