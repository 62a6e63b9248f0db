"""Haze as in RESIDE's outdoor training set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class OTSHaze(Degradation):
    """Atmospheric scattering, ``x t + A (1 - t)`` with ``t = exp(-beta scale d)``.

    Source: RESIDE OTS, whose 35 versions of each photograph are named for A and beta. There d is an
    estimated depth in metres; here depth runs from 0 to 1 and is brought to such a length by
    ``scale``. Unlike ``Haze``, the far end vanishes.

    Args:
        beta: Scattering coefficients, one of which is chosen per image.
        airlight: Colours of the haze, grey, one of which is chosen per image.
        scale: Length of depth 1, drawn uniformly per image.
    """

    def __init__(
        self,
        beta: Sequence[float] = (0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2),
        airlight: Sequence[float] = (0.8, 0.85, 0.9, 0.95, 1.0),
        scale: Range = (4.0, 16.0),
    ) -> None:
        self.beta = np.array(beta, dtype=np.float32, ndmin=1)
        self.airlight = np.array(airlight, dtype=np.float32, ndmin=1)
        self.scale = check_range('scale', scale, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        if depth is None:
            depth = synthetic_depth(rng, image.shape[:2])
        beta, airlight = rng.choice(self.beta), rng.choice(self.airlight)
        t = np.exp(-beta * np.float32(rng.uniform(*self.scale)) * depth)[..., None]
        answer: np.ndarray = image * t + airlight * (1 - t)
        return answer
