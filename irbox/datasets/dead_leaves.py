"""Dead leaves: random discs that hide each other, with the statistics of natural images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage


def dead_leaves(
    rng: np.random.Generator,
    size: int,
    palette: np.ndarray,
    min_radius: float = 2.0,
    max_radius: float = 140.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one canvas of dead leaves with its depth.

    Radii follow r^-3 between the two bounds, which makes edges at every scale (Lee, Mumford and
    Huang, 2001). About six layers hide each other; discs are drawn at twice the size and averaged.

    Args:
        rng: Where all randomness comes from.
        size: Height and width of the canvas.
        palette: (P, 3) uint8 colours to choose from, pixels of a photograph for instance.
        min_radius: Of the smallest leaf, in pixels.
        max_radius: Of the largest.

    Returns:
        The canvas, (size, size, 3) uint8, and its depth, (size, size) float32, 0 near to 1 far.
    """
    low, high = min_radius**-2.0, max_radius**-2.0
    side = size + 2 * max_radius
    mean_area = np.pi * 2 * np.log(max_radius / min_radius) / (low - high)
    count = int(6 * side**2 / mean_area)
    radius = (low + rng.random(count) * (high - low)) ** -0.5
    x, y = rng.uniform(-max_radius, size + max_radius, (2, count))

    # Leaf number per pixel, drawn once; colour and depth are looked up from it.
    leaves = Image.new('I', (2 * size, 2 * size))
    draw = ImageDraw.Draw(leaves)
    inside = (np.maximum(np.abs(x - size / 2), np.abs(y - size / 2)) < size / 2 + radius).nonzero()[
        0
    ]
    boxes = 2 * np.stack([x - radius, y - radius, x + radius, y + radius], axis=1)
    for leaf in inside.tolist():
        draw.ellipse(boxes[leaf].tolist(), fill=leaf)
    leaf = np.asarray(leaves)

    colours = palette[rng.integers(len(palette), size=count)]
    depths = (1 - np.exp(-6 * (1 - np.arange(count) / count))).astype(np.float32)
    # Not `colours[leaf]`, which takes three times as long.
    drawn = Image.fromarray(np.take(colours, leaf, axis=0))
    canvas = np.asarray(drawn.reduce(2), dtype=np.float32)
    depth = depths[leaf[::2, ::2]]

    fine, smooth = rng.standard_normal((2, size, size), dtype=np.float32)
    smooth = 4 * ndimage.gaussian_filter(smooth, 3)
    canvas *= (1 + 0.06 * (0.5 * fine + smooth))[..., None]
    canvas = ndimage.gaussian_filter(canvas, (0.45, 0.45, 0))
    return np.rint(canvas.clip(0, 255)).astype(np.uint8), depth
