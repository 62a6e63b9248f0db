"""Haze, by the dark channel prior."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from irbox.evaluation.classical.guided_filter import guided_filter


def dark_channel(
    image: np.ndarray,
    omega: float = 0.95,
    patch: int = 15,
    least: float = 0.1,
    radius: int = 40,
    eps: float = 1e-3,
) -> np.ndarray:
    """Take haze away, assuming that every clear patch has something dark in one colour.

    Source: He, Sun, Tang, "Single image haze removal using dark channel prior" (PAMI 2011): the
    dark channel (5), airlight from the 0.1 % of the pixels that are brightest in it (section 4.3),
    transmission (12) and the scene (22). The transmission is refined by the authors' later guided
    filter in place of matting.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        omega: Share of the haze that is taken away.
        patch: Side of the patches, in pixels.
        least: Transmissions below it count as it.
        radius: Of the guided filter.
        eps: Of the guided filter.

    Returns:
        (H, W, 3) float32, 0 to 1.
    """
    dark = _darkest(image, patch).ravel()
    brightest = np.argpartition(dark, -max(1, dark.size // 1000))[-max(1, dark.size // 1000) :]
    candidates = image.reshape(-1, 3)[brightest]
    airlight = candidates[candidates.sum(axis=1).argmax()].clip(1e-3, None)
    through = 1 - omega * _darkest(image / airlight, patch)
    through = guided_filter(image.mean(axis=2), through, radius, eps).clip(least, 1)[..., None]
    answer: np.ndarray = ((image - airlight) / through + airlight).clip(0, 1)
    return answer.astype(np.float32)


def _darkest(image: np.ndarray, patch: int) -> np.ndarray:
    answer: np.ndarray = ndimage.minimum_filter(image.min(axis=2), patch)
    return answer
