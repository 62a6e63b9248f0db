"""Blur: Richardson-Lucy deconvolution with a guessed kernel."""

from __future__ import annotations

import numpy as np
from skimage import restoration


def richardson_lucy(image: np.ndarray, sigma: float, iterations: int) -> np.ndarray:
    """Undo a blur as if it had been a Gaussian one, since its kernel is not given.

    By scikit-image, colour by colour; the border is mirrored first, so that it does not ring.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        sigma: Of the Gaussian, in pixels.
        iterations: More are sharper and ring more; the first few only find the blurred image, since
            scikit-image begins with grey.
    """
    reach = max(1, round(3 * sigma))
    away = np.arange(-reach, reach + 1) / sigma
    line = np.exp(-0.5 * away**2).astype(np.float32)
    kernel = np.outer(line, line)
    kernel /= kernel.sum()
    pad = 4 * reach
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode='symmetric')
    planes = [
        # Without an epsilon, black pixels are divided by.
        restoration.richardson_lucy(  # type: ignore[no-untyped-call]
            plane, kernel, num_iter=iterations, filter_epsilon=1e-3
        )
        for plane in np.moveaxis(padded, 2, 0)
    ]
    answer: np.ndarray = np.stack(planes, axis=2)[pad:-pad, pad:-pad].clip(0, 1)
    return answer.astype(np.float32)
