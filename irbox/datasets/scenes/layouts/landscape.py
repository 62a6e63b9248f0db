"""A ground, a sky, hills, and things that stand on the ground."""

from __future__ import annotations

import numpy as np

from irbox.datasets.scenes.layouts.leaves import scatter
from irbox.datasets.scenes.outlines import blade
from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList

# Usual colours in Lab: clear, deep, hazy, grey, evening, dusk.
SKIES = ((78, -3, -20), (62, 0, -38), (88, -1, -6), (80, 0, 1), (70, 18, 25), (55, 12, -14))
# Grass, fields, soil, sand, asphalt, concrete, snow.
GROUNDS = (
    (45, -18, 28),
    (55, -10, 30),
    (52, 6, 20),
    (72, 3, 18),
    (45, 1, 3),
    (60, 0, -2),
    (88, 0, -3),
)


def landscape(kit: SceneKit, size: int) -> SurfaceList:
    """Lay out a landscape or a street.

    The ground's disparity falls linearly from the bottom to the horizon, where all is far; things
    stand on it, larger the nearer they are. Most skies and grounds have colours that skies and
    grounds have.
    """
    rng = kit.rng
    surfaces = SurfaceList(size)
    horizon = size * rng.uniform(0.2, 0.75)
    nearest = rng.uniform(0.06, 0.25)
    _add_sky(kit, surfaces, horizon)
    _add_hills(kit, surfaces, horizon)

    ground = kit.looks(1, _one_of(kit, GROUNDS))
    # Disparity is 1 at the horizon and 1 / nearest at the bottom.
    fall = (1 / nearest - 1) / (size - horizon)
    ground['radius'], ground['center'] = size / 2, (size / 2, (horizon + size) / 2)
    half = (size - horizon) / 2
    ground['disparity'] = 1 + fall * half, 0, fall * size / 2
    ground['stretch'], ground['direction'] = rng.uniform(1, 3), (1, 0)
    ground['scale'] *= rng.uniform(0.5, 1.5)
    ground['dome'] = 0
    ground['tilt'] = 0, -0.6 if kit.light else 0
    bumps = size * 0.004 * rng.gamma(1.0) * _ridge(rng, 64)
    across = np.linspace(-2, size + 2, 64)
    edge = np.stack([across, horizon + bumps], axis=1)
    corners = np.array([[size + 2, size + 2], [-2, size + 2]])
    surfaces.add([[np.concatenate([edge, corners])]], ground)
    _add_cover(kit, surfaces, horizon, fall, ground['color'][0])
    _add_things(kit, surfaces, horizon, fall)
    return surfaces


def _add_sky(kit: SceneKit, surfaces: SurfaceList, horizon: float) -> None:
    rng, size = kit.rng, surfaces.size
    sky = kit.looks(1, _one_of(kit, SKIES))
    sky['radius'], sky['center'] = horizon, (size / 2, horizon / 2)
    sky['direction'] = 0, 1
    # Brighter and paler towards the horizon, mostly.
    sky['slope'] = rng.normal((10, 0, 8), 6) if kit.sheets else 0
    # Clouds are large; many skies have none.
    sky['sheet'] = 0
    sky['scale'] = rng.uniform(0.05, 0.4)
    sky['gain'] *= rng.choice([0, 0.3, 1])
    sky['relief'] = sky['dome'] = 0
    sky['tilt'] = 0
    surfaces.add([surfaces.whole], sky)


def _add_hills(kit: SceneKit, surfaces: SurfaceList, horizon: float) -> None:
    rng, size = kit.rng, surfaces.size
    count = int(rng.integers(0, 5))
    depth = np.sort(rng.uniform(0.3, 0.97, count))[::-1]
    for far in depth.tolist():
        hill = kit.looks(1, _one_of(kit, GROUNDS))
        hill['radius'], hill['center'] = size / 2, (size / 2, horizon)
        hill['disparity'] = 1 / far, 0, 0
        hill['dome'] = 0
        hill['scale'] = rng.uniform(1, 3) * far + 0.5
        top = size * rng.uniform(0.01, 0.25) * (0.4 + far)
        points = int(rng.choice([24, 128, 256]))
        across = np.linspace(-2, size + 2, points)
        line = horizon - top * (0.5 + 0.5 * _ridge(rng, points))
        corners = np.array([[size + 2, size + 2], [-2, size + 2]])
        surfaces.add([[np.concatenate([np.stack([across, line], axis=1), corners])]], hill)


def _add_cover(
    kit: SceneKit, surfaces: SurfaceList, horizon: float, fall: float, color: np.ndarray
) -> None:
    """Cover parts of the ground with small things: grass, stones, fallen leaves, flowers."""
    rng, size = kit.rng, surfaces.size
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        count = int(rng.uniform(200, 2500))
        foot = horizon + (size * 1.05 - horizon) * rng.random(count) ** 1.3
        left = rng.uniform(-0.05, 1.05, count) * size
        # In patches, or everywhere.
        places, reach = rng.random((6, 2)), rng.choice([0.12, 0.3, 5])
        away = np.hypot(left[:, None] / size - places[:, 0], foot[:, None] / size - places[:, 1])
        kept = away.min(1) < reach * np.exp(rng.normal(0, 0.3, count))
        foot, left = np.sort(foot[kept]), left[kept]
        near = 1 + fall * (foot - horizon)
        kinds = [kit.outline() for _ in range(3)]
        if kit.shapes and rng.random() < 0.5:
            kinds = [blade(rng) for _ in range(6)]
        likeness = color if rng.random() < 0.7 else kit.palette.draw(rng, 1)[0]
        looks = kit.looks(len(foot), likeness)
        looks['radius'] = size * 0.0008 * 4 ** rng.random() * near * rng.gamma(4, 0.25, len(foot))
        looks['center'] = np.stack([left, foot - 0.5 * looks['radius']], axis=1)
        looks['disparity'][:, 0] = near
        chosen = [kinds[number] for number in rng.integers(len(kinds), size=len(foot)).tolist()]
        surfaces.add_placed(chosen, looks, rng.uniform(0, 2 * np.pi, len(foot)))


def _add_things(kit: SceneKit, surfaces: SurfaceList, horizon: float, fall: float) -> None:
    """Add bushes, rocks, trees, houses and posts, the far ones first."""
    rng, size = kit.rng, surfaces.size
    count = int(rng.choice([8, 25, 60, 100]) * rng.uniform(0.5, 1))
    foot = np.sort(horizon + (size * 1.15 - horizon) * rng.random(count) ** 1.6)
    disparity = 1 + fall * (foot - horizon)
    common = size * 0.026 * np.exp(rng.normal(0, 0.5))
    for low, near in zip(foot.tolist(), disparity.tolist(), strict=True):
        high = common * near**0.8 * np.exp(rng.normal(0, 0.7))
        high = min(high, size * 0.6)
        left = rng.uniform(-0.1, 1.1) * size
        kind = rng.random()
        if high < 4:
            continue
        if kind < 0.3:
            _add_tree(kit, surfaces, left, low, high, near)
        elif kind < 0.55:
            _add_house(kit, surfaces, left, low, high, near)
        else:
            look = kit.looks(1)
            look['radius'], look['center'] = high / 2, (left, low - 0.4 * high)
            look['disparity'][:, 0] = near
            surfaces.add_placed(kit.outlines(look['radius']), look)


def _add_tree(
    kit: SceneKit, surfaces: SurfaceList, left: float, low: float, high: float, near: float
) -> None:
    """Add a trunk and a crown of leaves, or of nothing but twigs."""
    rng = kit.rng
    twigs = kit.looks(1, np.array([30, 5, 12]))
    twigs['radius'], twigs['center'] = high / 2, (left, low - high / 2)
    twigs['disparity'][:, 0] = near
    width = rng.uniform(0.02, 0.07)
    trunk = np.array([[-width, 1], [width, 1], [width / 2, -0.6], [-width / 2, -0.6]])
    branches = []
    for _ in range(int(rng.integers(0, 7))):
        start, reach = rng.uniform(-0.4, 0.4), rng.uniform(0.2, 0.7)
        side, thin = rng.choice([-1, 1]), 0.5 * width
        tip = [side * reach, start - reach * rng.uniform(0.2, 1.2)]
        branches.append(np.array([[0, start], tip, [0, start + thin]]))
    surfaces.add_placed(
        [[contour] for contour in (trunk, *branches)], np.repeat(twigs, 1 + len(branches))
    )
    if rng.random() < 0.75:
        color = np.array([rng.uniform(25, 60), rng.uniform(-30, -5), rng.uniform(10, 45)])
        if rng.random() < 0.25:
            color = kit.palette.draw(rng, 1)[0]
        count = int(np.clip(high, 12, 220))
        place = rng.normal(0, 0.36, (count, 2)) * (1, 0.8) + (0, -0.45)
        center = (left, low - high / 2) + place * high / 2
        scatter(kit, surfaces, center, high * rng.uniform(0.03, 0.12), near, color)


def _add_house(
    kit: SceneKit, surfaces: SurfaceList, left: float, low: float, high: float, near: float
) -> None:
    """Add a wall with rows of windows, and a roof."""
    rng = kit.rng
    aspect = rng.uniform(0.3, 1.6)
    wall = kit.looks(1)
    wall['radius'], wall['center'] = high / 2, (left, low - high / 2)
    wall['disparity'][:, 0] = near
    wall['direction'], wall['dome'] = (1, 0), 0
    box = np.array([[-aspect, 1], [aspect, 1], [aspect, -1], [-aspect, -1]])
    surfaces.add_placed([[box]], wall)
    if rng.random() < 0.5:
        roof = kit.looks(1, wall['color'][0])
        roof['radius'], roof['center'], roof['disparity'] = (
            wall['radius'],
            wall['center'],
            wall['disparity'],
        )
        top = np.array([[-1.1 * aspect, -1], [1.1 * aspect, -1], [0.1, -1 - rng.uniform(0.2, 0.9)]])
        surfaces.add_placed([[top]], roof)
    columns, rows = rng.integers(1, 7, 2)
    if high > 24 and rng.random() < 0.85:
        x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
        center = np.stack([(2 * x.ravel() - 1) * aspect, 2 * y.ravel() - 1], axis=1)
        half = np.array([aspect / columns, 1 / rows]) * rng.uniform(0.3, 0.75, 2)
        corner = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        panes = kit.looks(len(center), kit.palette.draw(rng, 1)[0] * (0.6, 0.4, 0.4))
        for name in ('radius', 'center', 'disparity'):
            panes[name] = wall[name]
        panes['dome'] = 0
        lit = (rng.random(len(center)) < 0.25) * float(rng.choice([0, 0, 3]))
        panes['glow'] = lit if kit.light else 0
        surfaces.add_placed([[corner + middle] for middle in center], panes)


def _one_of(kit: SceneKit, colors: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Choose a usual colour and change it; every fourth time one of the palette."""
    if kit.rng.random() < 0.25:
        answer: np.ndarray = kit.palette.draw(kit.rng, 1)[0]
        return answer
    return np.array(colors[kit.rng.integers(len(colors))]) + kit.rng.normal(0, (8, 4, 6))


def _ridge(rng: np.random.Generator, points: int) -> np.ndarray:
    """Draw a line with a power spectrum of slope 2 to 4, -1 to 1."""
    frequency = np.arange(points // 2 + 1)
    frequency[0] = 1
    waves = rng.normal(size=(2, len(frequency))) * frequency ** (-rng.uniform(1.0, 2.0))
    line = np.fft.irfft((waves[0] + 1j * waves[1]) * (np.arange(len(frequency)) > 0), 2 * points)
    line = line[:points]
    answer: np.ndarray = line / np.abs(line).max()
    return answer
