"""Outlines of any form: concave hulls of random points, with holes and smoothed edges."""

from __future__ import annotations

import numpy as np

SIDE = 96
"""Of the square that hulls are drawn in, in pixels; the circle takes most of it."""
REACH = 40.0


def concave_hull(
    rng: np.random.Generator, points: int | None = None, ratio: float = 0.3
) -> list[np.ndarray]:
    """Draw the concave hull of random points.

    Source: VibrantLeaves (Achddou et al., 2025): points uniform in radius and angle, a hull of
    ratio 0.3, holes in half of the shapes, smooth edges in half. As in the hulls of GEOS (and of
    shapely), a triangle of the points' Delaunay triangulation belongs to it if its longest edge is
    at most ``shortest + ratio (longest - shortest)`` of all edges. Differences: GEOS takes
    triangles away from the border only and never cuts a part off; here inner ones go, too, which
    makes holes (filled in half of the shapes), and parts may be alone.

    Args:
        rng: Where all randomness comes from.
        points: How many, 12 to 160 by default, fewer more often.
        ratio: From 0, ragged, to 1, convex.

    Returns:
        Contours in units of the circle's radius, see ``outlines``.
    """
    # Only now: a training on other images needs none of them.
    import cv2
    from scipy.spatial import Delaunay
    from skimage.measure import find_contours

    count = int(12 * (160 / 12) ** rng.random()) if points is None else points
    angle, radius = rng.uniform(0, 2 * np.pi, count), rng.random(count)
    corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    triangles = corners[Delaunay(corners).simplices]
    edges = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)
    kept = edges.max(1) <= edges.min() + ratio * (edges.max() - edges.min())
    sheet = np.zeros((SIDE, SIDE), np.uint8)
    pixels = np.rint(16 * (REACH * triangles[kept] + SIDE / 2)).astype(np.int32)
    for triangle in pixels:
        cv2.fillConvexPoly(sheet, triangle, 255, shift=4)
    if rng.random() < 0.5:
        outer, _ = cv2.findContours(sheet, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(sheet, outer, -1, 255, cv2.FILLED)
    # A little in any case: an outline of whole pixels would show when a shape is large.
    sigma = rng.uniform(1.5, 5) if rng.random() < 0.5 else 0.8
    soft = cv2.GaussianBlur(sheet, (0, 0), sigma)
    # scikit-image says that it is typed; this is not.
    found = find_contours(soft, 127.5)  # type: ignore[no-untyped-call]
    contours = [line[::2, ::-1] for line in found if len(line) > 8]
    if not contours:
        return concave_hull(rng, count, min(1.0, ratio + 0.2))
    return [(contour + 0.5 - SIDE / 2) / REACH for contour in contours]
