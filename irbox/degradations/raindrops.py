"""Raindrops on the lens."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Raindrops(Degradation):
    """Drops on a window or lens, out of focus: ``(1 - M) x + M R``.

    Source: the model of the Raindrop data set (Qian et al., 2018), whose pictures are real. R is
    the blurred view upside down and made smaller, as a drop shows it, darker at its top; M has a
    soft, uneven edge. Some drops sit next to another and melt into it.

    Args:
        density: Drops per pixel, drawn uniformly per image.
        radius: In pixels; small ones are more frequent (r^-2).
        opacity: Of a drop, drawn uniformly per drop.
    """

    def __init__(
        self,
        density: Range = (0.0005, 0.0016),
        radius: Range = (4.0, 16.0),
        opacity: Range = (0.8, 0.97),
    ) -> None:
        self.density = check_range('density', density, lowest=0)
        self.radius = check_range('radius', radius, lowest=0.5)
        self.opacity = check_range('opacity', opacity, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        height, width = image.shape[:2]
        blurred = ndimage.gaussian_filter(image, (1.8, 1.8, 0))
        result = image.copy()
        # Drops that reach in from outside are seen too: borders are no different from the middle.
        edge = self.radius[1]
        area = (height + 2 * edge) * (width + 2 * edge)
        count = rng.poisson(rng.uniform(*self.density) * area)
        smallest, largest = (1 / r for r in self.radius)
        radii = 1 / (smallest + rng.random(count) * (largest - smallest))
        y, x = 0.0, 0.0
        for number, radius in enumerate(radii.tolist()):
            if number and rng.random() < 0.3:
                y, x = np.array([y, x]) + rng.normal(0, 1.1 * radius, 2)
            else:
                y, x = rng.uniform(-edge, height + edge), rng.uniform(-edge, width + edge)
            self._add_drop(result, blurred, y, x, radius, rng)
        return result

    def _add_drop(
        self,
        result: np.ndarray,
        view: np.ndarray,
        y: float,
        x: float,
        radius: float,
        rng: np.random.Generator,
    ) -> None:
        height, width = result.shape[:2]
        reach = int(1.6 * radius) + 2
        rows = np.arange(max(0, int(y) - reach), min(height, int(y) + reach + 1))
        columns = np.arange(max(0, int(x) - reach), min(width, int(x) + reach + 1))
        if not rows.size or not columns.size:
            return
        dy, dx = (rows - y).astype(np.float32)[:, None], (columns - x).astype(np.float32)[None]
        # Water sags: drops are longer than wide, and their outline waves.
        sag = rng.uniform(0.85, 1.35)
        # exp(i angle), whose powers are cheaper than the sines and cosines of multiples.
        turn = dx + 1j * (dy / sag)
        distance = np.abs(turn)
        turn /= distance.clip(1e-6, None)
        square = turn * turn
        wave = 0.12 * rng.uniform(-1, 1) * turn.imag
        for k, power in ((2, square), (3, square * turn), (5, square * square * turn)):
            size, phase = rng.uniform(0, 0.26 / k), rng.uniform(0, 6.3)
            wave += size * (np.cos(phase) * power.real - np.sin(phase) * power.imag)
        inside = radius * (1 + wave) - distance
        mask: np.ndarray = (inside / 2.6 + 0.5).clip(0, 1) * rng.uniform(*self.opacity)

        zoom = rng.uniform(1.6, 3)
        seen = view[
            _reflect(np.rint(y - zoom * (rows - y)).astype(int), height)[:, None],
            _reflect(np.rint(x - zoom * (columns - x)).astype(int), width)[None],
        ]
        shade = 1 + rng.uniform(0.06, 0.2) * (dy / radius).clip(-1.2, 1.2)
        mask = mask.astype(np.float32)[..., None]
        part = result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part += mask * (seen * shade.astype(np.float32)[..., None] - part)


def _reflect(positions: np.ndarray, size: int) -> np.ndarray:
    """Positions outside 0 to size - 1 mirrored back inside."""
    period = np.abs(positions) % (2 * size)
    answer: np.ndarray = np.minimum(period, 2 * size - 1 - period)
    return answer
