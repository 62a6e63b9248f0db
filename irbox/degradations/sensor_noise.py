"""Noise of a camera's sensor."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.linear_light import from_light, to_light
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SensorNoise(Degradation):
    """Shot and read noise, ``x + sqrt(x / p + (r / p)^2) n`` in linear light x.

    Source: the Poisson-Gaussian model of raw data (Foi et al., 2008) in its normal approximation:
    electrons arrive by chance (shot noise), and counting them adds an error of ``r`` electrons
    (read noise). Brooks et al. (2019) train with 80 to 10,000 electrons at white; the default goes
    on to what phones do in the dark. Grey values of files are the 1/2.2th power of the light, so
    that the dark parts are the noisiest.

    Args:
        electrons: That white makes, p; drawn per image, uniformly in the logarithm.
        read: Standard deviation of the read noise, in electrons, drawn uniformly per image.
    """

    def __init__(self, electrons: Range = (15.0, 4000.0), read: Range = (0.5, 4.0)) -> None:
        self.electrons = check_range('electrons', electrons, lowest=1)
        self.read = check_range('read', read, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        electrons = np.float32(np.exp(rng.uniform(*np.log(self.electrons))))
        read = np.float32(rng.uniform(*self.read))
        light = to_light(image)
        deviation = np.sqrt(light / electrons + (read / electrons) ** 2)
        light += deviation * rng.standard_normal(image.shape, dtype=np.float32)
        return from_light(light)
