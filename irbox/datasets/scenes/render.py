"""From surfaces to what a camera could see: colours, depth and normals of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irbox.datasets.scenes.surfaces import SurfaceList
from irbox.datasets.scenes.texture_sheets import TextureSheets

FARTHEST = 1.0


@dataclass
class View:
    """A rendered scene before light and lens; arrays are float32, H x W."""

    albedo: np.ndarray
    """(H, W, 3) linear RGB, 0 to 1."""
    depth: np.ndarray
    """0 near to 1 far."""
    normal: np.ndarray
    """(H, W, 2): how much the surface leans to the right and downwards."""
    glow: np.ndarray
    """Light that is given off, in units of the albedo."""


def render(surfaces: SurfaceList, sheets: TextureSheets | None) -> View:
    """Render surfaces: a look-up of everything for every pixel, in one go for all surfaces.

    Args:
        surfaces: What is there.
        sheets: Their textures; None for none.
    """
    label, looks = surfaces.draw()
    # Only what is seen: looking things up in a small table is faster.
    seen = np.bincount(label.ravel()).nonzero()[0]
    place = np.zeros(len(looks), np.int32)
    place[seen] = np.arange(len(seen))
    looks, label = looks[seen], place[label]
    y, x = np.mgrid[: surfaces.size, : surfaces.size].astype(np.float32)
    radius = looks['radius'][label]
    x = (x - looks['center'][:, 0][label]) / radius
    y = (y - looks['center'][:, 1][label]) / radius
    near, to_right, down = (looks['disparity'][:, i][label] for i in range(3))
    disparity = near + to_right * x.clip(-2, 2) + down * y.clip(-2, 2)
    disparity = disparity.clip(1 / FARTHEST, None)

    cos, sin = (looks['direction'][:, i][label] for i in range(2))
    along, across = cos * x + sin * y, cos * y - sin * x
    lab = looks['color'][label] + looks['slope'][label] * along.clip(-2, 2)[..., None]
    normal = np.stack(
        [
            looks['tilt'][:, i][label] + looks['dome'][label] * (x, y)[i].clip(-1.2, 1.2)
            for i in range(2)
        ],
        axis=-1,
    )
    if sheets is not None:
        texture = _texture(sheets, looks, label, along * radius, across * radius, disparity / near)
        texture[..., 0] += looks['grain'][label] * sheets.look_up_grain(surfaces.size)
        lab += texture
        normal += _relief(texture[..., 0], label, looks['relief'][label])
    lab[..., 0] = lab[..., 0].clip(1, 100)
    albedo = cv2.cvtColor(lab, cv2.COLOR_LAB2LRGB).clip(0, 1)
    return View(albedo, 1 / disparity, normal, looks['glow'][label])


def _texture(
    sheets: TextureSheets,
    looks: np.ndarray,
    label: np.ndarray,
    along: np.ndarray,
    across: np.ndarray,
    nearer: np.ndarray,
) -> np.ndarray:
    """Look up the texture of every pixel, in perspective, (H, W, 3) in Lab."""
    scale, stretch = looks['scale'][label], looks['stretch'][label]
    nearer = nearer.clip(0.02, None)
    u = along * scale / nearer + looks['offset'][:, 0][label]
    v = across * scale * stretch / nearer + looks['offset'][:, 1][label]
    # In perspective lengths across grow with the square of the depth: the mean of both directions.
    texels = scale * np.sqrt(stretch) * nearer**-1.5
    found = sheets.look_up(looks['sheet'][label], u, v, texels)
    cos, sin = (looks['turn'][:, i][label] for i in range(2))
    lightness, a, b = np.moveaxis(found, 2, 0)
    turned = np.stack([lightness, cos * a - sin * b, sin * a + cos * b], axis=-1)
    turned *= looks['gain'][label][..., None]
    return turned


def _relief(height: np.ndarray, label: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Slope of a texture whose light parts stand out, (H, W, 2); none across borders."""
    slopes = []
    for axis in (1, 0):
        step = np.zeros_like(height)
        first = tuple(slice(None, -1) if i == axis else slice(None) for i in range(2))
        second = tuple(slice(1, None) if i == axis else slice(None) for i in range(2))
        step[first] = (height[first] - height[second]) * (label[first] == label[second])
        slopes.append(step * strength * np.float32(0.08))
    return np.stack(slopes, axis=-1).clip(-1, 1)
