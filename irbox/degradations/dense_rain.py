"""Dense rain as in CDD11."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class DenseRain(Degradation):
    """A fine, dense, nearly vertical veil of streaks, added to the image.

    CDD11 (OneRestore) adds masks from a library (grey, mean .09 to .12, standard deviation .04 to
    .05). Here a mask is white noise averaged along the fall, a long and a short layer, sheared,
    with a drawn mean and contrast.

    Args:
        length: Of the long streaks, in pixels.
        angle: Largest slant to either side, in degrees.
        mean: Brightness that the veil adds, of 1.
        contrast: Standard deviation of the veil, of 1.
    """

    def __init__(
        self,
        length: Range = (24, 56),
        angle: float = 18.0,
        mean: Range = (0.05, 0.1),
        contrast: Range = (0.02, 0.042),
    ) -> None:
        self.length = check_range('length', length, lowest=1)
        self.angle = angle
        self.mean = check_range('mean', mean, lowest=0)
        self.contrast = check_range('contrast', contrast, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        height, width = image.shape[:2]
        slant = np.tan(np.deg2rad(rng.uniform(-self.angle, self.angle)))
        shift = np.rint(slant * np.arange(height)).astype(int)
        shift -= shift.min()
        length = round(rng.uniform(*self.length))
        # As many rows more as the streaks are long, so that none of them starts at the border.
        size = (2, height + length, width + shift.max())
        long, short = rng.standard_normal(size, dtype=np.float32)
        sheet = _streaks(long, length) + 0.6 * _streaks(short, 9)
        sheet = sheet[length // 2 :][:height] / np.float32(np.hypot(1, 0.6))
        veil = np.take_along_axis(sheet, shift[:, None] + np.arange(width), axis=1)
        veil = rng.uniform(*self.mean) + rng.uniform(*self.contrast) * veil
        return image + veil.clip(0, None).astype(np.float32)[..., None]


def _streaks(noise: np.ndarray, length: int) -> np.ndarray:
    """White noise of standard deviation 1 averaged over ``length`` rows, and brought back to 1."""
    answer: np.ndarray = ndimage.uniform_filter1d(noise, length, axis=0) * np.float32(length**0.5)
    return answer
