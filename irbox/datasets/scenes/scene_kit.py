"""What layouts take things from: outlines and looks of one scene."""

from __future__ import annotations

import numpy as np

from irbox.datasets.scenes.color_model import Palette
from irbox.datasets.scenes.outlines import Outline, disc, draw_outline
from irbox.datasets.scenes.surfaces import SURFACE

POOL = 24
LARGE = 48


class SceneKit:
    """Draws outlines and looks; scenes differ in how much of everything there is.

    Args:
        rng: Where all randomness comes from.
        palette: The scene's colours.
        sheets: Number of texture sheets; 0 for flat colours.
        shapes: Outlines of all kinds; if not, discs.
        light: Whether surfaces are curved, stand out and lean.
    """

    def __init__(
        self, rng: np.random.Generator, palette: Palette, sheets: int, shapes: bool, light: bool
    ) -> None:
        self.rng = rng
        self.palette = palette
        self.sheets = sheets
        self.shapes = shapes
        self.light = light
        self.hulls = float(rng.choice([1.0, 0.5, 0.5, 0.2]))
        # Often many things of few kinds.
        kinds = int(rng.choice([2, 5, POOL, POOL])) if shapes else 1
        self.pool = [self.outline() for _ in range(kinds)]
        # How rich this scene's textures are; some scenes are nearly smooth.
        self.richness = rng.choice([0.15, 0.7, 1.0, 1.4])
        self.fineness = rng.choice([0, 0.7, 1.3, 2.2])
        self.zoom = np.exp(rng.uniform(-0.5, 0.7))

    def outline(self) -> Outline:
        """Draw one outline."""
        return draw_outline(self.rng, self.hulls) if self.shapes else disc(self.rng)

    def outlines(self, radii: np.ndarray) -> list[Outline]:
        """Draw outlines: large ones are new, small ones come from a pool of the scene."""
        which = self.rng.integers(len(self.pool), size=len(radii)).tolist()
        return [
            self.outline() if radius > LARGE and self.shapes else self.pool[number]
            for number, radius in zip(which, radii.tolist(), strict=True)
        ]

    def looks(self, count: int, color: np.ndarray | None = None) -> np.ndarray:
        """Draw looks: colours, textures and curvature; places are the caller's.

        Args:
            count: How many.
            color: (3,) Lab that all are near to; of the palette by default.
        """
        rng = self.rng
        look = np.zeros(count, SURFACE)
        look['radius'] = 1
        look['disparity'][:, 0] = 1
        look['color'] = self.palette.draw(rng, count)
        if color is not None:
            look['color'] = color + 0.35 * (look['color'] - look['color'].mean(0))
        look['direction'] = _directions(rng.uniform(0, 2 * np.pi, count))
        look['stretch'] = 1
        look['scale'] = self.zoom * np.exp(rng.uniform(np.log(0.4), np.log(3), count))
        look['turn'][:, 0] = 1
        if self.sheets:
            look['sheet'] = rng.integers(self.sheets, size=count)
            look['offset'] = rng.uniform(0, 512, (count, 2))
            textured = rng.random(count) < 0.8
            look['gain'] = self.richness * textured * rng.gamma(2, 0.35, count)
            look['grain'] = self.fineness * (rng.random(count) < 0.7) * rng.gamma(1.5, 1.0, count)
            look['turn'] = _directions(rng.normal(0, 0.4, count))
            gradient = rng.random(count) < 0.4
            look['slope'] = gradient[:, None] * rng.normal(0, (9, 4, 4), (count, 3))
        if self.light:
            look['dome'] = (rng.random(count) < 0.6) * rng.uniform(0.1, 1.3, count)
            look['tilt'] = rng.normal(0, 0.25, (count, 2))
            look['relief'] = (rng.random(count) < 0.6) * rng.uniform(0, 1, count)
        return look


def _directions(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)
