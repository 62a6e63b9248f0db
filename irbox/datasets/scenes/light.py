"""Light: sources, shading, cast shadows, night."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irbox.datasets.scenes.render import View

STEPS = 10


@dataclass(frozen=True)
class Source:
    """Light from one direction."""

    direction: np.ndarray
    """(3,) to the right, downwards and to the camera; length 1."""
    color: np.ndarray
    """(3,) linear RGB."""
    shadow: float
    """Of 1: how dark its shadows are."""


class Light:
    """Draws the light of a scene and shines it on a view.

    Sun and sky, an overcast sky, two sources, or night with lamps; colours from candle-like to
    bluish. A shadow falls where, on the way to the source, something nearer to the camera stands
    in between, as far as the depth map tells.

    Args:
        rng: Where all randomness comes from.
        night: Little light but for lamps.
    """

    def __init__(self, rng: np.random.Generator, night: bool = False) -> None:
        self.night = night
        warmth = rng.normal(0, 0.12)
        kind = rng.choice(3, p=[0.45, 0.3, 0.25])
        self.sources = [
            _draw_source(rng, warmth + (0.1 if kind == 0 else rng.normal(0, 0.15)))
            for _ in range((1, 1, 2)[kind])
        ]
        strength = (1.0, 0.35, 0.6)[kind]
        self.sources = [
            Source(one.direction, one.color * strength, one.shadow) for one in self.sources
        ]
        ambient = (rng.uniform(0.12, 0.5), rng.uniform(0.6, 1), rng.uniform(0.15, 0.4))[kind]
        self.ambient = ambient * _warm(warmth - 0.1)
        self.reach = rng.uniform(0.02, 0.12)
        self.lamps = [
            (rng.uniform(-0.1, 1.1, 2), rng.uniform(0.03, 0.3), _warm(rng.normal(0.25, 0.2)))
            for _ in range(int(rng.integers(1, 7)) if night else 0)
        ]
        self.dusk = rng.uniform(0.02, 0.15) if night else 1.0

    def shine(self, view: View) -> np.ndarray:
        """Light a view.

        Returns:
            (H, W, 3) float32 linear RGB, not bounded above.
        """
        size = view.depth.shape[0]
        up = 1 / np.sqrt(1 + view.normal[..., 0] ** 2 + view.normal[..., 1] ** 2)
        total = np.empty_like(view.albedo)
        total[:] = self.ambient * self.dusk
        # The more a surface leans the less of the sky it sees.
        total *= (0.5 + 0.5 * up)[..., None]
        for source in self.sources:
            right, down, out = source.direction
            lean = float(right) * view.normal[..., 0] + float(down) * view.normal[..., 1]
            falling = (lean + float(out)) * up
            falling = falling.clip(0, None) * (1 - source.shadow * self._shadow(view.depth, source))
            total += falling[..., None] * (self.dusk * source.color).astype(np.float32)
        y, x = (np.mgrid[:size, :size] / size).astype(np.float32)
        for (left, top), reach, color in self.lamps:
            near = 1 / (1 + ((x - np.float32(left)) ** 2 + (y - np.float32(top)) ** 2) / reach**2)
            total += near.astype(np.float32)[..., None] * np.float32(1.2 * color)
        lit: np.ndarray = view.albedo * total + view.albedo * view.glow[..., None]
        return self._bloom(lit, view) if view.glow.any() else lit

    def _shadow(self, depth: np.ndarray, source: Source) -> np.ndarray:
        """Share of the source that is hidden, 0 to 1, with soft edges."""
        size = depth.shape[0] // 4
        small = cv2.resize(depth, (size, size), interpolation=cv2.INTER_AREA)
        right, down, out = source.direction
        hidden = np.zeros_like(small)
        for step in range(1, STEPS + 1):
            far = step / STEPS * self.reach * size / max(out, 0.3)
            move = np.array([[1, 0, -far * right], [0, 1, -far * down]], np.float32)
            between = cv2.warpAffine(small, move, (size, size), borderMode=cv2.BORDER_REPLICATE)
            # A blocker must be nearer, but not so near that light passes behind it.
            gap = small - between
            blocks = (gap > 0.012 + 0.02 * step / STEPS) & (gap < 0.35)
            hidden = np.maximum(hidden, blocks * (1 - 0.5 * step / STEPS))
        # The sky takes no shadow.
        hidden = hidden.astype(np.float32) * (small < 0.985)
        soft = cv2.GaussianBlur(hidden, (0, 0), 1.2)
        return cv2.resize(soft, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)

    def _bloom(self, lit: np.ndarray, view: View) -> np.ndarray:
        """Add the halo of what glows."""
        size = lit.shape[0] // 4
        shining = cv2.resize(
            view.albedo * view.glow[..., None], (size, size), interpolation=cv2.INTER_AREA
        )
        halo = sum(
            share * cv2.GaussianBlur(shining, (0, 0), sigma)
            for share, sigma in ((0.25, size / 80), (0.25, size / 25))
        )
        answer: np.ndarray = lit + cv2.resize(halo, lit.shape[1::-1])
        return answer


def _draw_source(rng: np.random.Generator, warmth: float) -> Source:
    angle, height = rng.uniform(np.pi, 2 * np.pi), rng.uniform(0.25, 1.2)
    direction = np.array(
        [np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)]
    )
    return Source(direction, rng.uniform(0.6, 1.3) * _warm(warmth), rng.uniform(0.3, 0.95))


def _warm(warmth: float) -> np.ndarray:
    """Colour of light: above 0 towards orange, below towards blue."""
    return np.exp(np.array([1.0, 0.1, -1.1]) * warmth)
