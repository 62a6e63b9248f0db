"""Rain with fog as in Outdoor-Rain."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.sparse_rain import SparseRain
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RainFog(Degradation):
    """Streaks first, then fog over the background and the streaks: ``t (x + S) + (1 - t) A``.

    Source: the heavy-rain model of Outdoor-Rain, with ``t = exp(-beta (near + d))``: there is some
    fog before even the nearest thing.

    Args:
        density: Streaks per pixel and layer, as in ``SparseRain``, but more of them.
        beta: Of the fog, drawn uniformly per image.
        airlight: Colour of the fog, grey, drawn uniformly per image.
        near: Depth that is added everywhere.
    """

    def __init__(
        self,
        density: Range = (0.0015, 0.004),
        beta: Range = (0.5, 1.3),
        airlight: Range = (0.6, 0.9),
        near: float = 0.15,
    ) -> None:
        self.rain = SparseRain(density=density)
        self.beta = check_range('beta', beta, lowest=0)
        self.airlight = check_range('airlight', airlight, lowest=0)
        self.near = near

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        if depth is None:
            depth = synthetic_depth(rng, image.shape[:2])
        rainy = self.rain.apply(image, rng, depth)
        beta, airlight = rng.uniform(*self.beta), np.float32(rng.uniform(*self.airlight))
        t = np.exp(np.float32(-beta) * (depth + np.float32(self.near)))[..., None]
        answer: np.ndarray = rainy * t + airlight * (1 - t)
        return answer
