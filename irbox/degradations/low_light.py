"""Low light as in CDD11."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LowLight(Degradation):
    """Darker by a power of the local illumination, with the noise of a short exposure.

    ``x / L L^gamma + n``, source: the synthesis of CDD11 (OneRestore) with gamma in 2 to 3 and
    noise of standard deviation .03 to .08. There L is LIME's illumination; here it is the mean of a
    smoothed local maximum and a smoothed grey image, which needs no solver and no whole image.

    Args:
        gamma: Drawn uniformly per image; above 1 darkens.
        noise: Standard deviation of the noise, of 1, drawn uniformly per image.
    """

    margin = 6

    def __init__(self, gamma: Range = (2.0, 3.0), noise: Range = (0.03, 0.08)) -> None:
        self.gamma = check_range('gamma', gamma, lowest=1)
        self.noise = check_range('noise', noise, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        red, green, blue = np.moveaxis(image, 2, 0)
        brightest = ndimage.maximum_filter(np.maximum(np.maximum(red, green), blue), 5)
        light = 0.3 * ndimage.uniform_filter(brightest, 9)
        light += 0.7 * ndimage.uniform_filter((red + green + blue) / 3, 3)
        gain = light.clip(0.02, 1) ** np.float32(rng.uniform(*self.gamma) - 1)
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        answer: np.ndarray = (
            image * gain[..., None] + np.float32(rng.uniform(*self.noise)) * noise
        ).clip(0, 1)
        return answer
