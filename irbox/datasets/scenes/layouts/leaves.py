"""Dead leaves: things of all sizes that hide each other."""

from __future__ import annotations

import numpy as np

from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList


def leaves(
    kit: SceneKit,
    size: int,
    radii: tuple[float, float] | None = None,
    layers: float | None = None,
) -> SurfaceList:
    """Lay out dead leaves; their order is their depth, made continuous.

    Radii have the density r^-3 (Lee, Mumford and Huang, 2001). Leaves whose centres lie outside are
    drawn as often as they reach in. Some scenes have few leaves on a smooth ground, some are seen
    from near.

    Args:
        kit: Of the scene.
        size: Of the canvas.
        radii: Smallest and largest, as shares of the size; drawn by default.
        layers: How often a point is hidden on average; drawn by default.
    """
    rng = kit.rng
    if radii is None:
        smallest = np.exp(rng.uniform(np.log(0.003), np.log(0.02)))
        radii = (smallest * rng.choice([1, 1, 4]), rng.uniform(0.25, 0.9))
    if layers is None:
        layers = 5.0 if rng.random() < 0.6 else rng.uniform(0.2, 2)
    low, high = radii[0] * size, radii[1] * size
    grid = np.exp(np.linspace(np.log(low), np.log(high), 400))
    # Density over the logarithm of the radius, times the area that centres may lie in.
    density = grid**-2.0 * (size + 2 * grid) ** 2
    step = np.log(grid[1] / grid[0])
    count = rng.poisson(layers / (0.6 * np.pi * np.log(high / low)) * density.sum() * step)
    total = np.cumsum(density)
    radius = np.interp(rng.random(count) * total[-1], total, grid)
    center = rng.random((count, 2)) * (size + 2 * radius[:, None]) - radius[:, None]

    looks = kit.looks(count + 1)
    looks['radius'][1:], looks['center'][1:] = radius, center
    _gather_colors(kit, looks, size)
    looks['radius'][0], looks['center'][0] = size / 2, size / 2
    looks['dome'][0] = 0
    # The last layers are what is seen: the depths of those spread over all of the range.
    hidden = np.arange(count + 1) / max(1, count)
    near = rng.uniform(0.1, 0.5)
    depth = near + (1 - near) * (1 - np.exp(-layers * (1 - hidden))) / (1 - np.exp(-layers))
    tilt = rng.normal(0, 0.2, 2)
    lean = 1 + ((looks['center'] / size - 0.5) @ tilt).clip(-0.6, 0.6)
    looks['disparity'][:, 0] = 1 / (depth * lean).clip(0.05, 1)
    slant = rng.normal(0, 0.12, (count + 1, 2)) * looks['disparity'][:, :1]
    looks['disparity'][:, 1:] = slant
    surfaces = SurfaceList(size)
    surfaces.add([surfaces.whole], looks[:1])
    surfaces.add_placed(kit.outlines(radius), looks[1:], rng.uniform(0, 2 * np.pi, count))
    return surfaces


def _gather_colors(kit: SceneKit, looks: np.ndarray, size: int) -> None:
    """Bring the colours of what lies in the same region nearer to each other, in most scenes."""
    rng = kit.rng
    share = rng.choice([0.0, 0.5, 0.8, 0.92])
    places = rng.random((int(rng.integers(1, 14)), 2)) * size
    colors = kit.palette.draw(rng, len(places))
    far = np.linalg.norm(looks['center'][:, None] - places, axis=2)
    # Regions have uneven borders, and every thing may stray.
    nearest = (far * np.exp(rng.normal(0, 0.15, far.shape))).argmin(1)
    moved = share * (rng.random(len(looks)) < 0.9)[:, None]
    looks['color'] += moved * (colors[nearest] - looks['color'])


def scatter(
    kit: SceneKit,
    surfaces: SurfaceList,
    center: np.ndarray,
    radius: float,
    near: float,
    color: np.ndarray | None = None,
) -> None:
    """Strew small things of one kind: foliage, gravel, flowers, crowds.

    Args:
        kit: Of the scene.
        surfaces: Where to add them.
        center: (N, 2) in pixels.
        radius: In pixels, of the mean one.
        near: Their disparity.
        color: Lab that all are near to.
    """
    rng, count = kit.rng, len(center)
    looks = kit.looks(count, color)
    looks['center'] = center
    looks['radius'] = radius * np.exp(rng.normal(0, 0.3, count))
    looks['disparity'][:, 0] = near * np.exp(rng.normal(0, 0.02, count))
    kinds = kit.outlines(np.full(3, radius))
    outlines = [kinds[number] for number in rng.integers(3, size=count).tolist()]
    surfaces.add_placed(outlines, looks, rng.uniform(0, 2 * np.pi, count))
