"""Haze as in CDD11."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS
from irbox.utils.bounded import NonNegativeFloat


@TRANSFORMS.register_module()
class Haze(Degradation):
    """Atmospheric scattering, ``x t + A (1 - t)`` with ``t = exp(-beta min(d, cap))``.

    Source: the synthesis of CDD11 (OneRestore), beta in 1 to 2, grey airlight A in .6 to .9, depth
    from 0 to 1 capped at .7 so that the farthest parts stay visible.

    Args:
        beta: Scattering coefficient, drawn uniformly per image.
        airlight: Colour of the haze, grey, drawn uniformly per image.
        depth_cap: Depths beyond it count as it.
        tint: Standard deviation of the airlight's red and blue against its green, relative: real
            haze is bluish or yellowish. 0 is grey.
    """

    def __init__(
        self,
        beta: Range = (1.0, 2.0),
        airlight: Range = (0.6, 0.9),
        depth_cap: float = 0.7,
        tint: NonNegativeFloat = 0.0,
    ) -> None:
        self.beta = check_range('beta', beta, lowest=0)
        self.airlight = check_range('airlight', airlight, lowest=0)
        self.depth_cap = depth_cap
        self.tint = tint

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        if depth is None:
            depth = synthetic_depth(rng, image.shape[:2])
        beta = rng.uniform(*self.beta)
        airlight = np.full(3, rng.uniform(*self.airlight), dtype=np.float32)
        if self.tint:
            airlight[[0, 2]] *= (1 + rng.normal(0, self.tint, 2)).astype(np.float32)
        t = np.exp(np.float32(-beta) * np.minimum(depth, self.depth_cap))[..., None]
        answer: np.ndarray = image * t + airlight * (1 - t)
        return answer
