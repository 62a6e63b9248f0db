"""Other colours for a clean image, because the embedded photographs are few."""

from __future__ import annotations

import numpy as np


def color_jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute the channels, then change gain, saturation and gamma, each at random.

    Meant for clean images before they are degraded: it changes what is to be restored, not the
    degradation.

    Args:
        image: (H, W, 3) float32, 0 to 1.
        rng: Where all randomness comes from.

    Returns:
        The recoloured image, of the same shape, type and range.
    """
    if rng.random() < 0.5:
        image = image[..., rng.permutation(3)]
    # Summed by hand: a matrix product would start threads beside those of the training.
    grey = (image[..., :1] + image[..., 1:2] + image[..., 2:]) / 3
    image = grey + np.float32(rng.uniform(0.6, 1.3)) * (image - grey)
    image = (image * rng.uniform(0.8, 1.15, 3).astype(np.float32)).clip(0, 1)
    return image ** np.float32(np.exp(rng.uniform(-0.3, 0.3)))
