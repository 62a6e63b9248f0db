"""A plausible depth map for a photograph that has none."""

from __future__ import annotations

import numpy as np
from PIL import Image


def synthetic_depth(
    rng: np.random.Generator,
    shape: tuple[int, int],
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> np.ndarray:
    """Draw a depth map: the top of a photograph is usually far, and nothing is quite flat.

    ``.05 + .65 (k ramp + (1 - k) smooth)^1.3`` with k uniform in .4 to .9; ``ramp`` falls from 1 at
    the top of the photograph to 0 at its bottom, ``smooth`` is bicubic noise of four cells per
    side.

    Args:
        rng: Where all randomness comes from.
        shape: Height and width of the result.
        window: The part of the photograph that the result shows: left, top, right and bottom as
            fractions of its width and height. A small crop of a large photograph is nearly flat.

    Returns:
        (H, W) float32, 0 near to 1 far.
    """
    height, width = shape
    left, top, right, bottom = window
    share = rng.uniform(0.4, 0.9)
    cells = rng.random((4, 4), dtype=np.float32)
    box = (4 * left, 4 * top, 4 * right, 4 * bottom)
    noise = Image.fromarray(cells)
    smooth = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC, box=box))
    rows = 1 - (top + (bottom - top) * (np.arange(height, dtype=np.float32) + 0.5) / height)
    mixed = share * rows[:, None] + (1 - share) * smooth.clip(0, 1)
    return (0.05 + 0.65 * mixed**1.3).astype(np.float32)
