"""The eleven degradations of CDD11."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from irbox.degradations.degradation import Degradation, round_to_8_bits
from irbox.degradations.dense_rain import DenseRain
from irbox.degradations.haze import Haze
from irbox.degradations.low_light import LowLight
from irbox.degradations.snow import Snow
from irbox.registry import TRANSFORMS

Kind = Literal[
    'low',
    'haze',
    'rain',
    'snow',
    'low_haze',
    'low_rain',
    'low_snow',
    'haze_rain',
    'haze_snow',
    'low_haze_rain',
    'low_haze_snow',
]
CDD11_TYPES: tuple[str, ...] = get_args(Kind)


@TRANSFORMS.register_module()
class CDD11Composition(Degradation):
    """Low light, rain, snow and haze together, as CDD11 (OneRestore) composes them.

    In the published order, whatever the order in the name: low light, then rain, then snow, then
    haze, then clipped and rounded to 8 bits once. So the noise of the low light lies behind the
    haze, and nothing is clipped in between.

    Args:
        kind: One of the eleven folder names, such as ``low_haze_rain``.
    """

    def __init__(self, kind: Kind) -> None:
        order = {
            'low': LowLight(),
            'rain': DenseRain(),
            'snow': Snow(amount=0.8),
            'haze': Haze(),
        }
        self.steps = [step for name, step in order.items() if name in kind.split('_')]
        self.margin = sum(step.margin for step in self.steps)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        for step in self.steps:
            image = step.apply(image, rng, depth)
        return round_to_8_bits(image)
