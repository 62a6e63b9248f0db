"""Rain and snow: filters that lose what is thin or small."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from irbox.evaluation.classical.guided_filter import guided_filter


def median(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Replace each value by the median of its surroundings, colour by colour.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        width: Of the surroundings, in pixels: streaks that fall are thin, so that 3x1 spares more
            than 3x3.
        height: The same, vertically.
    """
    answer: np.ndarray = ndimage.median_filter(image, (height, width, 1))
    return answer


def guided_smoothing(image: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Smooth by the guided filter, each colour its own guide.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        radius: Of its windows, in pixels.
        eps: Larger smooths stronger edges.
    """
    planes = [guided_filter(plane, plane, radius, eps) for plane in np.moveaxis(image, 2, 0)]
    return np.stack(planes, axis=2).clip(0, 1)
