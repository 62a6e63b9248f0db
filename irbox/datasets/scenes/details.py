"""Fine and regular things that are no degradation: wires, text, lattices, sparks."""

from __future__ import annotations

import string
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from irbox.datasets.scenes.outlines import Outline
from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList

LETTERS = string.ascii_letters + string.digits + '&?!%+='
LETTER_SIZE = 48


def add_details(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add one to three kinds of details over what is there, in the nearer half.

    Args:
        kit: Of the scene.
        surfaces: Where to add them.
    """
    kinds = (_add_wires, _add_text, _add_text, _add_lattice, _add_strokes, _add_points)
    for number in kit.rng.choice(len(kinds), kit.rng.integers(1, 4)).tolist():
        kinds[number](kit, surfaces)


def _add_flat(kit: SceneKit, surfaces: SurfaceList, outlines: list[Outline]) -> None:
    """Add outlines of one colour and one depth."""
    rng, size = kit.rng, surfaces.size
    look = kit.looks(1)
    look['center'], look['radius'] = size / 2, size / 2
    look['disparity'][:, 0] = 1 / rng.uniform(0.08, 0.5)
    look['dome'] = look['gain'] = 0
    looks = np.repeat(look, len(outlines))
    looks['color'][:, 0] += rng.normal(0, rng.choice([0, 8]), len(outlines))
    surfaces.add(outlines, looks)


def _add_wires(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add wires that sag, more or less parallel."""
    rng, size = kit.rng, surfaces.size
    share = np.linspace(0, 1, 40)
    first, last = rng.uniform(-0.1, 1.1, (2, 2)) * size
    if rng.random() < 0.6:
        first[0], last[0] = -4, size + 4
    sag = size * rng.uniform(0, 0.15)
    outlines = []
    gap, width = size * rng.uniform(0.005, 0.08), rng.uniform(0.6, 3.5)
    for number in range(int(rng.integers(1, 9))):
        line = first + (last - first) * share[:, None] + (0, number * gap)
        line = line + (0, 1) * (4 * sag * share * (1 - share))[:, None]
        outlines.append([_thick(line, width)])
    _add_flat(kit, surfaces, outlines)


def _add_strokes(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add many short lines of nearly one direction: grass, straw, hair, rain that stands still."""
    rng, size = kit.rng, surfaces.size
    count, angle = int(rng.integers(20, 300)), rng.uniform(0, np.pi)
    angles = angle + rng.choice([0.03, 0.15, 0.5]) * rng.normal(size=count)
    length = size * rng.uniform(0.01, 0.12) * rng.uniform(0.5, 1.5, count)
    start = rng.uniform(0, 1, 2) + rng.choice([0.1, 0.3, 1]) * rng.uniform(-1, 1, (count, 2))
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length[:, None]
    share, bend = np.linspace(0, 1, 5)[:, None], rng.normal(0, 0.1)
    width = rng.uniform(0.6, 3)
    outlines = []
    for point, way in zip(start * size, direction, strict=True):
        line = point + way * share + bend * share**2 * way[::-1] * (-1, 1)
        outlines.append([_thick(line, width)])
    _add_flat(kit, surfaces, outlines)


def _add_points(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add small bright or dark points, alone or in a swarm: stars, flowers, lights, holes."""
    rng, size = kit.rng, surfaces.size
    count = int(10 * 40 ** rng.random())
    spread = rng.choice([0.1, 0.3, 1.0])
    place = (rng.random(2) + spread * rng.normal(0, 0.5, (count, 2))) * size
    looks = kit.looks(count, kit.palette.draw(rng, 1)[0])
    looks['center'], looks['radius'] = place, rng.uniform(1, 5) * np.exp(rng.normal(0, 0.3, count))
    looks['disparity'][:, 0] = 1 / rng.uniform(0.08, 0.5)
    if kit.light and rng.random() < 0.3:
        looks['glow'] = rng.uniform(1, 6)
    surfaces.add_placed(kit.outlines(looks['radius']), looks)


def _add_lattice(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add a fence or a net of bars in two directions, sheared, over a part of the picture."""
    rng, size = kit.rng, surfaces.size
    low, high = np.sort(rng.uniform(-0.1, 1.1, (2, 2)), axis=0) * size
    gap, width = size * rng.uniform(0.008, 0.06), rng.uniform(0.8, 5)
    shear = rng.normal(0, 0.3, (2, 2))
    shear[[0, 1], [0, 1]] = 1
    lines = []
    for axis in range(2 if rng.random() < 0.6 else 1):
        for place in np.arange(low[axis], high[axis], gap)[:80].tolist():
            ends = np.array([low, high])
            ends[:, axis] = place
            lines.append([_thick((ends - low) @ shear + low, width)])
    if lines:
        _add_flat(kit, surfaces, lines)


def _add_text(kit: SceneKit, surfaces: SurfaceList) -> None:
    """Add lines of letters, turned, on a plate or without."""
    rng, size = kit.rng, surfaces.size
    height = size * 0.012 * 12 ** rng.random()
    lines, length = int(rng.integers(1, 7)), int(rng.integers(2, 14))
    angle = rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = height * np.array([[cos, sin], [-sin, cos]])
    corner = rng.uniform(0, 0.9, 2) * size
    letters = []
    for row in range(lines):
        across = 0.0
        for _ in range(length):
            if rng.random() < 0.15:
                across += 0.5
                continue
            outline, wide = letter(LETTERS[rng.integers(len(LETTERS))])
            place = (across, 1.35 * row)
            letters.append([(contour + place) @ turn + corner for contour in outline])
            across += wide
    if rng.random() < 0.5:
        wide, high = 0.75 * length + 1, 1.35 * lines + 0.6
        plate = np.array([[-0.5, -0.4], [wide, -0.4], [wide, high], [-0.5, high]])
        _add_flat(kit, surfaces, [[plate @ turn + corner]])
    _add_flat(kit, surfaces, letters)


@lru_cache(maxsize=len(LETTERS))
def letter(character: str) -> tuple[Outline, float]:
    """Give the contours of a letter of Pillow's own font and how far it goes, in its height."""
    from skimage.measure import find_contours

    font = ImageFont.load_default(LETTER_SIZE)
    sheet = Image.new('L', (2 * LETTER_SIZE, 2 * LETTER_SIZE))
    ImageDraw.Draw(sheet).text((LETTER_SIZE / 4, LETTER_SIZE / 4), character, 255, font)
    # scikit-image says that it is typed; this is not.
    contours = find_contours(np.asarray(sheet, float), 127.5)  # type: ignore[no-untyped-call]
    start = LETTER_SIZE / 4
    outline = [(contour[::2, ::-1] + 0.5 - start) / LETTER_SIZE for contour in contours]
    left, _, right, _ = font.getbbox(character)
    return outline, (right - left) / LETTER_SIZE + 0.08


def _thick(line: np.ndarray, width: float) -> np.ndarray:
    """Give the outline of a line of some width."""
    along = np.gradient(line, axis=0)
    across = along[:, ::-1] * (1, -1)
    across = across / np.linalg.norm(across, axis=1, keepdims=True).clip(1e-9, None)
    return np.concatenate([line + across * width / 2, (line - across * width / 2)[::-1]])
