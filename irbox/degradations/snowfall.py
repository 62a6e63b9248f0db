"""Snow as a camera sees it."""

from __future__ import annotations

import math
from itertools import cycle

import numpy as np
from PIL import ImageDraw

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.falling import (
    Camera,
    Draw,
    Layer,
    Particles,
    coverage,
    line,
    metres,
    number_seen,
    starts,
)
from irbox.degradations.linear_light import from_light, to_light
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS

# Diameters in metres: the mean above the smallest, which are the fewest that are still seen.
SMALLEST, MEAN, LARGEST = 1e-3, 1.5e-3, 10e-3
# Flakes thinner than this, in pixels, are a veil.
THINNEST = 0.5
CORNERS, SHAPES = 8, 32


@TRANSFORMS.register_module()
class Snowfall(Degradation):
    """Flakes in the air before the scene, driven by one wind, each as large and sharp as it is far.

    Source: the model of Snow100K (DesnowNet), ``z C + x (1 - z)`` with a nearly white C, here in
    linear light and with z out of a scene in the place of drawn masks: flakes of exponentially
    distributed diameters D (1 to 10 mm) fall at about 1.2 m/s and are driven by a wind that all of
    them share, with gusts of their own. At a distance d a flake is ``D f / d`` wide, f the focal
    length in pixels, and moves ``v T f / d`` while the shutter is open for T, which hides what is
    behind it for ``D / (D + v T)`` of that time. Near flakes are out of focus, by a thin lens;
    those behind the scene are hidden by its depth; those too far to be told apart are a veil.

    Args:
        flakes: In a cubic metre, drawn per image.
        exposure: In seconds, drawn per image on a logarithmic scale.
        wind: Largest speed to either side, in m/s.
        focal: Focal length in pixels, drawn per image: about the width of the photograph that the
            image is a part of.
        focus: Distance of what is sharp, in metres, drawn per image.
        aperture: Diameter of the lens, in metres, drawn per image.
    """

    def __init__(
        self,
        flakes: Range = (200, 1500),
        exposure: Range = (1 / 1000, 1 / 60),
        wind: float = 4.0,
        focal: Range = (600, 1600),
        focus: Range = (3, 20),
        aperture: Range = (0.002, 0.008),
    ) -> None:
        self.flakes = check_range('flakes', flakes, lowest=0)
        self.exposure = check_range('exposure', exposure, lowest=1e-5)
        self.wind = wind
        self.focal = check_range('focal', focal, lowest=1)
        self.focus = check_range('focus', focus, lowest=0.1)
        self.aperture = check_range('aperture', aperture, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        shape = image.shape[:2]
        far = metres(synthetic_depth(rng, shape) if depth is None else depth)
        camera = Camera.draw(rng, self.focal, self.exposure, self.focus, self.aperture)
        density = rng.uniform(*self.flakes)
        wind = np.array([rng.uniform(-self.wind, self.wind), rng.normal(1.2, 0.2)])
        farthest = (SMALLEST + MEAN) * camera.focal / THINNEST
        white = np.float32(rng.uniform(0.7, 1)) * np.array([0.96, 0.98, 1], dtype=np.float32)
        light = to_light(image)
        area = np.pi / 4 * (SMALLEST + MEAN) ** 2
        veil = 1 - np.exp(-density * area * (far - farthest).clip(0, None))
        light = light + veil[..., None] * (white - light)
        for layer in camera.layers(shape, farthest):
            flakes = _flakes(rng, camera, layer, shape, wind, density)
            hidden = coverage(flakes, shape, camera.blur(layer.distance), _ragged(rng))
            light = light + (hidden * (far > layer.distance))[..., None] * (white - light)
        return from_light(light)


def _flakes(
    rng: np.random.Generator,
    camera: Camera,
    layer: Layer,
    shape: tuple[int, int],
    wind: np.ndarray,
    density: float,
) -> Particles:
    """Draw the flakes of a layer."""
    scale = camera.focal / layer.distance
    edge = scale * (camera.exposure * float(np.hypot(*wind)) + MEAN)
    count = number_seen(rng, density, layer, shape, edge)
    size = (SMALLEST + rng.exponential(MEAN, count)).clip(None, LARGEST)
    velocity = wind + rng.normal(0, 0.15 * np.hypot(*wind), (count, 2))
    way = velocity * camera.exposure
    begin = starts(rng, count, shape, edge)
    paths = np.stack([begin, begin + scale * way], axis=1)
    return Particles(paths, scale * size, size / (size + np.hypot(*way.T)))


def _ragged(rng: np.random.Generator) -> Draw:
    """Give a function that draws an irregular flake along its path."""
    angles = np.arange(CORNERS) * (2 * np.pi / CORNERS)
    radii = rng.uniform(0.55, 1.15, (SHAPES, CORNERS)) / 2
    outlines = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=2)
    shapes = cycle(outlines.reshape(SHAPES, 2 * CORNERS))

    def draw_one(draw: ImageDraw.ImageDraw, path: np.ndarray, width: float, grey: float) -> None:
        (left, top), (right, bottom) = path.tolist()
        moves = math.hypot(right - left, bottom - top) > width / 2
        if moves or width < 2:
            # What is between its first and its last place is smooth.
            line(draw, path, 0.8 * width if width > 2 else width, grey)
        if width >= 2:
            outline = next(shapes) * width
            for place in ([left, top], [right, bottom])[: 1 + moves]:
                draw.polygon((outline + place * CORNERS).tolist(), fill=grey)

    return draw_one
