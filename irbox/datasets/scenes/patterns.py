"""Periodic maps from 0 to 1 that say which of two colours a texture has where."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from scipy.spatial import cKDTree

from irbox.datasets.scenes.power_noise import power_noise


def waves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw sinusoids of one or two directions, cut at a level and sharpened by a sigmoid.

    Source: VibrantLeaves; periods of 5 to 100 pixels, mostly short. Cycles of changing length come
    from a random phase.
    """
    y, x = np.mgrid[:size, :size].astype(np.float32) * np.float32(2 * np.pi / size)
    total = np.zeros((size, size), np.float32)
    directions = 1 if rng.random() < 0.6 else 2
    phase = np.float32(0)
    if rng.random() < 0.4:
        phase = np.float32(rng.uniform(0.5, 4)) * power_noise(rng, size, 3.5)[0]
    for _ in range(directions):
        cycles = size / (5 * 20 ** (rng.random() ** 1.5))
        angle = rng.uniform(0, np.pi)
        kx, ky = round(cycles * np.cos(angle)), round(cycles * np.sin(angle))
        total += np.sin(kx * x + ky * y + phase + np.float32(rng.uniform(0, 6.3)))
    level, slope = rng.uniform(-0.8, 0.8) * directions, 10 ** rng.random()
    return _sigmoid((total - np.float32(level)) * np.float32(slope))


def grid(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw lines, 1 to 4 pixels wide, of one or two directions; on power-of-two periods."""
    sheet = np.zeros((size, size), np.float32)
    for axis in range(int(rng.integers(1, 3))):
        period = int(2 ** rng.integers(3, 7))
        lines = np.arange(size) % period < rng.integers(1, 5)
        sheet = np.maximum(sheet, lines[:, None] if axis else lines[None])
    return sheet


def bricks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw bricks, tiles or planks, each of a brightness of its own, and joints (0) between."""
    rows = int(2 ** rng.integers(2, 6))
    columns = int(2 ** rng.integers(1, 6))
    y, x = np.mgrid[:size, :size]
    row = y * rows // size
    shift = rng.choice([0.0, 0.5]) if rng.random() < 0.8 else rng.random(rows)[row]
    position = (x * columns / size + shift * (row % 2 if np.isscalar(shift) else 1)) % columns
    column = position.astype(int)
    value = 0.45 + rng.uniform(0.05, 0.55) * rng.random((rows, columns)).astype(np.float32)
    sheet: np.ndarray = value[row, column]
    joint = rng.integers(1, 5) if size // max(rows, columns) > 8 else 1
    sheet[(y % (size // rows) < joint) | ((position - column) * size / columns < joint)] = 0
    return sheet


def dots(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a lattice of dots or squares."""
    period = size / int(2 ** rng.integers(3, 7))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    row = np.floor(y / period)
    x = x + period * rng.choice([0, 0.5]) * (row % 2)
    dx, dy = x / period % 1 - 0.5, y / period % 1 - 0.5
    far = np.hypot(dx, dy) if rng.random() < 0.7 else np.maximum(abs(dx), abs(dy))
    return _sigmoid((rng.uniform(0.15, 0.45) - far) * period)


def checks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a chessboard, or cloth woven of stripes in two directions."""
    count = int(2 ** rng.integers(3, 7))
    stripes = rng.random(count) if rng.random() < 0.5 else np.arange(count) % 2
    line: np.ndarray = np.repeat(stripes, size // count).astype(np.float32)
    woven: np.ndarray = (line[:, None] + line[None]) / 2
    return np.abs(line[:, None] - line[None]) if rng.random() < 0.5 else woven


def cells(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw cells around random points: pebbles, cracks, scales, leather."""
    half = size // 2
    count = int(10 * 60 ** rng.random())
    tree = cKDTree(rng.uniform(0, half, (count, 2)), boxsize=half)
    y, x = np.mgrid[:half, :half]
    near, who = tree.query(np.stack([y, x], axis=-1), k=2)
    gap = (near[..., 1] - near[..., 0]) / (half / count**0.5)
    value = 0.5 + 0.5 * rng.random(count)[who[..., 0]]
    kind = rng.integers(3)
    sheet = [value * (gap > 0.08), gap.clip(0, 1), (near[..., 0] / near[..., 0].max())][kind]
    grown: np.ndarray = cv2.resize(
        sheet.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR
    )
    return grown


def blotches(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw noise cut at a level: bark, marble, clouds, rust, camouflage."""
    noise = power_noise(rng, size, rng.uniform(1.8, 3.5))[0]
    if rng.random() < 0.4:
        noise = 1 - 2 * np.abs(noise)
    return _sigmoid((noise - np.float32(rng.normal(0, 0.5))) * np.float32(10 ** rng.uniform(0, 1)))


def marks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Strew short strokes of all directions, or nearly one: straw, hair, scratches, rain-like."""
    sheet = np.zeros((size, size), np.float32)
    main, spread = rng.uniform(0, np.pi), rng.choice([0.15, 3.0])
    count, length = int(rng.uniform(100, 900)), rng.uniform(6, 60)
    angle = main + spread * rng.uniform(-1, 1, count)
    start = rng.uniform(0, size, (count, 2))
    end = start + length * rng.uniform(0.4, 1, (count, 1)) * np.stack(
        [np.cos(angle), np.sin(angle)], axis=1
    )
    greys, width = rng.uniform(0.3, 1, count), int(rng.integers(1, 4))
    lines = np.rint(np.stack([start, end], axis=1)).astype(int).tolist()
    for (first, last), grey in zip(lines, greys.tolist(), strict=True):
        cv2.line(sheet, first, last, grey, width, cv2.LINE_AA)
    return sheet


PATTERNS = (
    waves,
    waves,
    grid,
    bricks,
    bricks,
    dots,
    checks,
    cells,
    cells,
    blotches,
    blotches,
    marks,
)


def draw_pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a pattern of any kind; half of them bent by a smooth random displacement.

    Returns:
        (size, size) float32, 0 to 1.
    """
    sheet = PATTERNS[rng.integers(len(PATTERNS))](rng, size)
    if rng.random() < 0.5:
        sheet = displace(sheet, rng)
    return sheet.astype(np.float32)


def displace(sheet: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend a periodic map by a smooth random displacement of 2 to 24 pixels."""
    sheet, size = sheet.astype(np.float32), sheet.shape[0]
    smooth = power_noise(rng, 64, rng.uniform(3, 4.5), 2) * np.float32(2 * 12 ** rng.random())
    grow = partial(cv2.resize, dsize=(size, size), interpolation=cv2.INTER_LINEAR)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return cv2.remap(
        sheet,
        x + grow(smooth[0]),
        y + grow(smooth[1]),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def _sigmoid(value: np.ndarray) -> np.ndarray:
    answer: np.ndarray = 1 / (1 + np.exp(-value.clip(-30, 30)))
    return answer
