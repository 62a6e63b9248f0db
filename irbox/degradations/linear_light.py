"""Files hold about the 1/2.2th power of light; lenses and sensors add light itself."""

from __future__ import annotations

import numpy as np

GAMMA = np.float32(2.2)


def to_light(image: np.ndarray) -> np.ndarray:
    """Give the light behind values of a file: the 2.2th power; what is below 0 counts as 0."""
    answer: np.ndarray = np.maximum(image, 0) ** GAMMA
    return answer


def from_light(light: np.ndarray) -> np.ndarray:
    """Give the values of a file for light; undoes ``to_light``."""
    answer: np.ndarray = np.maximum(light, 0) ** (1 / GAMMA)
    return answer
