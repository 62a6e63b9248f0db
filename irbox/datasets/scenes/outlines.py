"""Outlines of things, in units of their radius: lists of closed contours, holes among them."""

from __future__ import annotations

import numpy as np

from irbox.datasets.scenes.concave_hull import concave_hull

Outline = list[np.ndarray]
"""Contours, (N, 2) x and y each, about within the unit circle; inside is where an odd number of
them goes around."""


def disc(rng: np.random.Generator, corners: int = 40) -> Outline:
    """Draw a circle, of Lee, Mumford and Huang's dead leaves; a pure function of its corners."""
    angle = np.arange(corners) * (2 * np.pi / corners)
    return [np.stack([np.cos(angle), np.sin(angle)], axis=1)]


def ellipse(rng: np.random.Generator) -> Outline:
    """Draw an ellipse of any direction."""
    return _turned(disc(rng)[0] * (1, rng.uniform(0.25, 0.9)), rng)


def rectangle(rng: np.random.Generator) -> Outline:
    """Draw a rectangle as large as half of the circle, of aspect 0.5 to 1 and any direction."""
    aspect = rng.uniform(0.5, 1)
    half = np.array([1, aspect]) * np.sqrt(np.pi / 8 / aspect)
    return _turned(half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), rng)


def polygon(rng: np.random.Generator) -> Outline:
    """Draw a polygon of 3 to 9 corners, regular, uneven or a star."""
    corners = int(rng.integers(3, 10))
    angle = np.arange(corners) * (2 * np.pi / corners)
    radius = np.ones(corners)
    if rng.random() < 0.6:
        angle = angle + rng.uniform(-0.35, 0.35, corners)
        radius = rng.uniform(0.55, 1, corners)
    if rng.random() < 0.25:
        angle = np.arange(2 * corners) * (np.pi / corners)
        radius = np.tile([1, rng.uniform(0.3, 0.75)], corners)
    return _turned(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), rng)


def blade(rng: np.random.Generator) -> Outline:
    """Draw a long bent strip that gets thinner to its ends: grass, twigs, petals."""
    along = np.linspace(-1, 1, 14)
    bend = rng.uniform(-0.5, 0.5) * (1 - along**2) + rng.uniform(-0.2, 0.2) * along
    width = rng.uniform(0.03, 0.3) * (1 - np.abs(along) ** rng.uniform(1.2, 6)) + 0.01
    left = np.stack([along, bend + width], axis=1)
    right = np.stack([along, bend - width], axis=1)[::-1]
    return _turned(np.concatenate([left, right]), rng)


def ring(rng: np.random.Generator) -> Outline:
    """Draw an ellipse with a hole."""
    outer = ellipse(rng)[0]
    return [outer, outer * rng.uniform(0.5, 0.9)]


def frame(rng: np.random.Generator) -> Outline:
    """Draw a rectangle with one to nine rectangular holes: windows, fences, shelves."""
    columns, rows = rng.integers(1, 4, 2)
    bar = rng.uniform(0.08, 0.35)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    low = np.stack([x.ravel(), y.ravel()], axis=1) + bar / 2
    high = low + 1 - bar
    contours = [np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], float)]
    for (left, top), (right, bottom) in zip(low, high, strict=True):
        contours.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
    middle, scale = np.array([columns, rows]) / 2, np.hypot(columns, rows) / 2
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    return [_turn((contour - middle) / scale, angle) for contour in contours]


OTHERS = (ellipse, rectangle, polygon, blade, ring, frame)


def draw_outline(rng: np.random.Generator, hulls: float = 0.6) -> Outline:
    """Draw an outline of any kind.

    Args:
        rng: Where all randomness comes from.
        hulls: Share of concave hulls among them.
    """
    if rng.random() < hulls:
        return concave_hull(rng)
    if rng.random() < 0.25:
        return disc(rng)
    return OTHERS[rng.integers(len(OTHERS))](rng)


def _turned(points: np.ndarray, rng: np.random.Generator) -> Outline:
    return [_turn(points, rng.uniform(0, 2 * np.pi))]


def _turn(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    turned: np.ndarray = points @ np.array([[cos, sin], [-sin, cos]])
    return turned
