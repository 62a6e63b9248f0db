"""Sparse rain as in Rain100L."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.registry import TRANSFORMS

# Streaks are drawn at this many times the size and averaged: a width of .3 pixels is then possible.
OVERSAMPLING = 3


@TRANSFORMS.register_module()
class SparseRain(Degradation):
    """Single streaks of one direction, added to the image: ``x + S``.

    Source: the model of Rain100L, whose masks are not described; three layers of lines (far,
    middle, near) reach its input PSNR and SSIM.

    Args:
        density: Streaks per pixel and layer, drawn uniformly per image.
        length: Of the streaks of the middle layer, in pixels; half in the far one, 1.5 times in the
            near one.
        angle: Largest slant to either side, in degrees. Single streaks deviate by about 1.5
            degrees.
        brightness: That a streak adds, of 1, drawn uniformly per image.
    """

    def __init__(
        self,
        density: Range = (0.0006, 0.0016),
        length: Range = (9, 16),
        angle: float = 35.0,
        brightness: Range = (0.45, 0.85),
    ) -> None:
        self.density = check_range('density', density, lowest=0)
        self.length = check_range('length', length, lowest=0)
        self.angle = angle
        self.brightness = check_range('brightness', brightness, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        height, width = image.shape[:2]
        density, length = rng.uniform(*self.density), rng.uniform(*self.length)
        slant, brightness = rng.uniform(-self.angle, self.angle), rng.uniform(*self.brightness)
        sheet = Image.new('L', (width * OVERSAMPLING, height * OVERSAMPLING))
        draw = ImageDraw.Draw(sheet)
        for far in (0.5, 1.0, 1.5):
            # Streaks that begin outside are seen too: borders are no different from the middle.
            edge = 1.3 * length * far
            count = rng.poisson(density * (height + edge) * (width + 2 * edge))
            angle = np.deg2rad(slant + 1.5 * rng.standard_normal(count))
            reach = length * far * rng.uniform(0.7, 1.3, count)
            x, y = rng.uniform(-edge, width + edge, count), rng.uniform(-edge, height, count)
            ends = np.stack([x, y, x + reach * np.sin(angle), y + reach * np.cos(angle)], axis=1)
            widths = np.rint(OVERSAMPLING * far * rng.uniform(0.3, 0.9, count)).clip(1).astype(int)
            greys = (255 * brightness * rng.uniform(0.6, 1, count)).clip(0, 255).astype(int)
            for line, thick, grey in zip(
                (OVERSAMPLING * ends).tolist(), widths.tolist(), greys.tolist(), strict=True
            ):
                draw.line(line, fill=grey, width=thick)
        streaks = np.asarray(sheet.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)
        answer: np.ndarray = image + ndimage.gaussian_filter(streaks, 0.5)[..., None]
        return answer
