"""What falls between a camera and a scene: where it is seen, how large, how long and how sharp."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

# Drawn at this many times the size and averaged: a width of a third of a pixel is then possible.
OVERSAMPLING = 3
# Metres of a depth of 0 and of 1; between them by their ratio, as distances are seen.
NEAR, FAR = 1.0, 100.0
NEAREST = 0.25
LAYERS = 7
# A disc of a lens blurs about as a Gaussian of this many of its diameters.
DISC = 0.25


Span = tuple[float, float]
Draw = Callable[[ImageDraw.ImageDraw, np.ndarray, float, float], None]


class Particles(NamedTuple):
    """Drops or flakes of one layer of distances; all arrays (N,), (N, 2) or (N, 2, 2)."""

    paths: np.ndarray
    """Where each begins and ends while the shutter is open, x and y in pixels."""
    widths: np.ndarray
    """In pixels."""
    opacities: np.ndarray
    """Of what is behind it, hidden on average while the shutter is open."""


class Layer(NamedTuple):
    """A layer of distances."""

    distance: float
    """In metres, of its middle."""
    volume: float
    """In cubic metres, as far as the camera sees it."""


@dataclass(frozen=True)
class Camera:
    """A camera that looks at what falls."""

    focal: float
    """Focal length in pixels: what is a metre wide and a metre away is so wide."""
    exposure: float
    """In seconds."""
    focus: float
    """Distance of what is sharp, in metres."""
    aperture: float
    """Diameter of the lens, in metres."""

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        focal: Span,
        exposure: Span,
        focus: Span,
        aperture: Span,
    ) -> Camera:
        """Draw a camera; exposures are as likely in each octave."""
        return cls(
            focal=rng.uniform(*focal),
            exposure=float(np.exp(rng.uniform(*np.log(exposure)))),
            focus=rng.uniform(*focus),
            aperture=rng.uniform(*aperture),
        )

    def blur(self, distance: float) -> float:
        """Give the diameter of the disc that a point becomes, in pixels (a thin lens)."""
        return self.aperture * self.focal * abs(1 / distance - 1 / self.focus)

    def layers(self, shape: tuple[int, int], farthest: float) -> Iterator[Layer]:
        """Cut the space in front of the camera into layers, from far to near.

        Args:
            shape: Height and width of the image, in pixels.
            farthest: In metres, where single particles are no longer seen.
        """
        edges = np.geomspace(max(farthest, 2 * NEAREST), NEAREST, LAYERS + 1)
        seen = shape[0] * shape[1] / self.focal**2
        for far, near in zip(edges, edges[1:], strict=False):
            yield Layer(float(np.sqrt(far * near)), float(seen * (far**3 - near**3) / 3))


def metres(depth: np.ndarray) -> np.ndarray:
    """Turn a depth of 0 (near) to 1 (far) into metres."""
    answer: np.ndarray = NEAR * (FAR / NEAR) ** depth
    return answer.astype(np.float32)


def starts(rng: np.random.Generator, count: int, shape: tuple[int, int], edge: float) -> np.ndarray:
    """Draw where paths begin, (N, 2) of x and y: outside, too, so that borders are no different."""
    height, width = shape
    return rng.uniform(-edge, np.array([width, height]) + edge, (count, 2))


def number_seen(
    rng: np.random.Generator, density: float, layer: Layer, shape: tuple[int, int], edge: float
) -> int:
    """Draw how many particles of a layer are seen, those that reach in from outside among them.

    Args:
        rng: Where it comes from.
        density: Particles in a cubic metre.
        layer: The layer.
        shape: Height and width of the image.
        edge: How far from outside they reach in, in pixels.
    """
    height, width = shape
    wider = (height + 2 * edge) * (width + 2 * edge) / (height * width)
    return int(rng.poisson(density * layer.volume * wider))


def line(draw: ImageDraw.ImageDraw, path: np.ndarray, width: float, grey: float) -> None:
    """Draw a line."""
    draw.line(path.ravel().tolist(), fill=grey, width=int(width))


def coverage(
    particles: Particles,
    shape: tuple[int, int],
    blur: float,
    draw_one: Draw = line,
) -> np.ndarray:
    """Draw particles, out of focus as they are: the share of each pixel's light that they hide.

    Args:
        particles: What to draw.
        shape: Height and width of the image.
        blur: Diameter of the disc of a point that is out of focus, in pixels.
        draw_one: Draws one, from its path and width in pixels of the drawing, and its opacity.

    Returns:
        (H, W) float32, 0 to 1.
    """
    height, width = shape
    # What is far out of focus needs no fine lines.
    finer = OVERSAMPLING if blur < OVERSAMPLING else 1
    sheet = Image.new('F', (width * finer, height * finer))
    draw = ImageDraw.Draw(sheet)
    seen = _reaches(particles, np.array([width, height]))
    wide = finer * particles.widths[seen]
    drawn = np.rint(wide).clip(1)
    greys = particles.opacities[seen] * (wide / drawn).clip(0, 1)
    paths = finer * particles.paths[seen]
    # The faint first: drawn over it, they would cut what hides more.
    for one in np.argsort(greys, kind='stable'):
        draw_one(draw, paths[one], float(drawn[one]), float(greys[one]))
    drawing = np.asarray(sheet.reduce(finer) if finer > 1 else sheet, dtype=np.float32)
    hidden: np.ndarray = ndimage.gaussian_filter(drawing, max(0.3, DISC * blur)).clip(0, 1)
    return hidden


def _reaches(particles: Particles, size: np.ndarray) -> np.ndarray:
    """Tell which particles may be seen: (N,) bool."""
    margin = particles.widths[:, None]
    first, last = particles.paths.min(axis=1), particles.paths.max(axis=1)
    answer: np.ndarray = ((last >= -margin) & (first <= size + margin)).all(axis=1)
    return answer
