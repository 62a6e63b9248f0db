"""The guided filter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Smooth values where the guide is smooth, and keep their edges where it has edges.

    In each window, values are fitted by ``a guide + b``; a pixel's answer is the mean over the
    windows that hold it. Source: He, Sun, Tang, "Guided image filtering" (PAMI 2013), equations 5,
    6 and 8, with a grey guide. Borders are mirrored, where the authors' windows shrink.

    Args:
        guide: (H, W).
        values: (H, W); may be the guide itself, which keeps edges and smooths the rest.
        radius: Windows are ``2 radius + 1`` wide.
        eps: Variances of the guide well below it count as none.

    Returns:
        (H, W), of the type of ``values``.
    """

    def mean(image: np.ndarray) -> np.ndarray:
        answer: np.ndarray = ndimage.uniform_filter(image, 2 * radius + 1, mode='reflect')
        return answer

    # In double precision: a variance is a small difference of large numbers.
    guide, given = guide.astype(np.float64), values.astype(np.float64)
    mean_guide, mean_values = mean(guide), mean(given)
    covariance = mean(guide * given) - mean_guide * mean_values
    variance = mean(guide * guide) - mean_guide**2
    slope = covariance / (variance + eps)
    answer: np.ndarray = mean(slope) * guide + mean(mean_values - slope * mean_guide)
    return answer.astype(values.dtype)
