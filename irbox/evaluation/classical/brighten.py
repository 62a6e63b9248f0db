"""Low light: adaptive equalization and gamma."""

from __future__ import annotations

import numpy as np
from skimage import exposure


def adaptive_equalization(image: np.ndarray, clip_limit: float) -> np.ndarray:
    """Spread the brightness of each region over all values (CLAHE, by scikit-image, on V of HSV).

    Args:
        image: (H, W, 3) float32, 0 to 1.
        clip_limit: Larger gives more contrast, 0 to 1.
    """
    answer: np.ndarray = exposure.equalize_adapthist(image, clip_limit=clip_limit)
    return answer.clip(0, 1).astype(np.float32)


def gamma_correction(image: np.ndarray, gamma: float, gain: float = 1.0) -> np.ndarray:
    """Raise all values to a power, which brightens if it is below 1: ``gain x^gamma``.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        gamma: The power.
        gain: Factor.
    """
    answer: np.ndarray = (np.float32(gain) * image ** np.float32(gamma)).clip(0, 1)
    return answer
