"""Too little light."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.linear_light import GAMMA
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Underexposure(Degradation):
    """Everything darker alike: each stop halves the light, ``x 2^(-stops / 2.2)`` in a file.

    What a short exposure does by itself. Its noise is that of the sensor: ``SensorNoise`` after it.
    ``LowLight`` also darkens dark parts more than bright ones, as CDD11 does.

    Args:
        stops: Halvings of the light, drawn uniformly per image.
    """

    def __init__(self, stops: Range = (1.0, 4.0)) -> None:
        self.stops = check_range('stops', stops, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        return image * np.float32(2 ** (-rng.uniform(*self.stops) / GAMMA))
