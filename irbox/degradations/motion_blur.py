"""Blur by a moving camera."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.linear_light import from_light, to_light
from irbox.registry import TRANSFORMS

SIDE = 21
TAPS = 26


@TRANSFORMS.register_module()
class MotionBlur(Degradation):
    """The camera shakes along a curved path while the shutter is open.

    Source: GoPro averages successive frames in linear light (gamma 2.2). Here the frames are the
    image moved along a path, so unlike GoPro's the blur is the same everywhere. Only the few pixels
    of the path are summed, as shifted copies, which is ten times cheaper than a Fourier transform.

    Args:
        length: Of the path, in pixels, at most 18, drawn uniformly per image.
    """

    margin = SIDE // 2

    def __init__(self, length: Range = (3.0, 13.0)) -> None:
        self.length = check_range('length', length, lowest=0)
        if self.length[1] > 18:
            raise ValueError(f'length={length!r}: at most 18 pixels, for a kernel of {SIDE}.')

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        kernel = self._kernel(rng)
        height, width = image.shape[:2]
        pad = ((self.margin, self.margin), (self.margin, self.margin), (0, 0))
        light = to_light(np.pad(image, pad, mode='symmetric'))
        total = np.zeros_like(image)
        for row, column in np.argwhere(kernel):
            total += kernel[row, column] * light[row : row + height, column : column + width]
        return from_light(total)

    def _kernel(self, rng: np.random.Generator) -> np.ndarray:
        """(21, 21) weights that sum to 1: equal times along a path whose direction drifts."""
        step = rng.uniform(*self.length) / (TAPS - 1)
        drift = rng.normal(0, 0.06) + rng.normal(0, 0.12, TAPS)
        direction = rng.uniform(0, 2 * np.pi) + np.cumsum(drift)
        path = np.cumsum(step * np.stack([np.sin(direction), np.cos(direction)], axis=1), axis=0)
        path = path - (path.min(axis=0) + path.max(axis=0)) / 2 + SIDE // 2
        corner = np.floor(path).astype(int)
        part = path - corner
        kernel = np.zeros((SIDE, SIDE))
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(kernel, (corner[:, 0] + dy, corner[:, 1] + dx), weight)
        answer: np.ndarray = (kernel / kernel.sum()).astype(np.float32)
        return answer
