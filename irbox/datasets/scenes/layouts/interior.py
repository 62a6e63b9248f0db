"""A room, a street between walls, or a wall seen at a slant, with things before it."""

from __future__ import annotations

import numpy as np

from irbox.datasets.scenes.layouts.leaves import scatter
from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList


def interior(kit: SceneKit, size: int) -> SurfaceList:
    """Lay out a box seen from inside: a back wall, two side walls, floor and ceiling.

    All of them are planes that meet in edges towards one vanishing point; windows, pictures and
    shelves hang on them in perspective, and things stand on the floor.
    """
    rng = kit.rng
    surfaces = SurfaceList(size)
    # The back wall; where it is wide and high, all that is seen is a wall.
    middle = size * rng.uniform(0.25, 0.75, 2)
    half = size * rng.uniform(0.08, 0.4, 2)
    far = rng.uniform(0.5, 1.0)
    outer = rng.uniform(1.15, 2.5)
    low, high = middle - half, middle + half
    back = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    reach = max(size / half.min(), outer) * 1.2
    front = middle + (back - middle) * reach
    wall = kit.looks(5, kit.palette.draw(rng, 1)[0] if rng.random() < 0.6 else None)
    wall['color'][:, 0] = (wall['color'][:, 0] + rng.normal(0, 6, 5)).clip(5, 97)
    wall['dome'] = 0
    wall['radius'] = half.mean()
    wall['disparity'][:, 0] = 1 / far
    wall['center'][0], wall['direction'] = middle, (1, 0)
    surfaces.add([surfaces.whole], wall[:1])
    leans = ((0, 1), (-1, 0), (0, -1), (1, 0))
    for side, lean in enumerate(leans):
        look = wall[side + 1 : side + 2]
        corners = [side, (side + 1) % 4]
        quad = np.concatenate([back[corners], front[corners[::-1]]])
        # Disparity grows from 1 / far at the back's edge, in proportion to the distance from the
        # vanishing point.
        axis = (side + 1) % 2
        look['center'] = (back[corners[0]] + back[corners[1]]) / 2
        grows = np.zeros(2)
        grows[axis] = (look['center'][0, axis] - middle[axis]) ** -1.0
        look['disparity'][:, 1:] = grows * look['radius'] / far
        look['tilt'] = lean if kit.light else (0, 0)
        look['stretch'] = rng.uniform(1, 2.5)
        if axis == 0:
            look['direction'] = 0, 1
        surfaces.add([[quad]], look)
        _hang(kit, surfaces, quad, look)
    _hang(kit, surfaces, back, wall[:1])
    _put(kit, surfaces, middle, back, front, far)
    return surfaces


def _hang(kit: SceneKit, surfaces: SurfaceList, quad: np.ndarray, wall: np.ndarray) -> None:
    """Hang a row or a grid of rectangles on a wall, in its perspective."""
    import cv2

    rng = kit.rng
    if rng.random() < 0.45:
        return
    columns, rows = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    # Of the wall's own square: u along its back edge, v towards the camera, evenly in depth.
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, quad.astype(np.float32))
    size = rng.uniform(0.3, 0.9, 2) / (columns, rows)
    corners = size / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    color = kit.palette.draw(rng, 1)[0] if rng.random() < 0.7 else None
    looks = kit.looks(columns * rows, color)
    for name in ('radius', 'center', 'disparity', 'tilt', 'direction', 'stretch'):
        looks[name] = wall[name]
    looks['dome'] = 0
    if kit.light and rng.random() < 0.2:
        looks['glow'] = rng.uniform(0.5, 4)
    outlines = []
    for number in range(columns * rows):
        row, column = divmod(number, columns)
        points = corners + ((column + 0.5) / columns, (row + 0.5) / rows)
        outlines.append([cv2.perspectiveTransform(points[None].astype(np.float32), matrix)[0]])
    surfaces.add(outlines, looks)


def _put(
    kit: SceneKit,
    surfaces: SurfaceList,
    middle: np.ndarray,
    back: np.ndarray,
    front: np.ndarray,
    far: float,
) -> None:
    """Put things on the floor, the far ones first."""
    rng, size = kit.rng, surfaces.size
    floor, depth_of_floor = back[2, 1], front[2, 1] - middle[1]
    height = floor - middle[1]
    count = int(rng.integers(0, 25))
    times = np.sort(1 + (min(depth_of_floor / height, size / height) - 1) * rng.random(count) ** 2)
    for grown in times.tolist():
        foot = middle[1] + height * grown
        left = middle[0] + (back[2, 0] - back[3, 0]) * (rng.random() - 0.5) * grown
        radius = height * grown * rng.uniform(0.1, 0.6)
        near = grown / far
        if rng.random() < 0.25:
            place = rng.normal(0, 0.4, (int(rng.integers(20, 120)), 2)) * radius
            scatter(
                kit,
                surfaces,
                place + (left, foot - radius),
                radius / 6,
                near,
                kit.palette.draw(rng, 1)[0],
            )
            continue
        look = kit.looks(1)
        look['center'], look['radius'] = (left, foot - 0.9 * radius), radius
        look['disparity'] = near, *(rng.normal(0, 0.15, 2) * near)
        surfaces.add_placed(kit.outlines(look['radius']), look)
