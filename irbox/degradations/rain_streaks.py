"""Rain as a camera sees it."""

from __future__ import annotations

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.falling import (
    Camera,
    Layer,
    Particles,
    coverage,
    metres,
    number_seen,
    starts,
)
from irbox.degradations.linear_light import from_light, to_light
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS

# Drops below a millimetre are too many, and too faint, to be drawn.
SMALLEST, LARGEST = 1e-3, 5e-3
# Streaks thinner than this, in pixels, are a veil.
THINNEST = 0.25


@TRANSFORMS.register_module()
class RainStreaks(Degradation):
    """Drops in the air before the scene, each a streak as long as the shutter was open.

    Source: Garg and Nayar, "Vision and Rain" (IJCV 2007). Drops of diameter D have the sizes of
    Marshall and Palmer for a rainfall, and fall at ``200 sqrt(D / 2)`` m/s there. At a distance z
    the streak is ``D f / z`` wide and ``(D + v T) f / z`` long, f the focal length in pixels and T
    the exposure. A pixel sees the drop for ``D / v`` of that time: in linear light it is ``a E + (1
    - a) I`` with ``a = D / (v T)``, so that longer exposures give longer and fainter streaks. E is
    what the drop refracts from nearly everywhere (165 degrees): grey, mostly sky, brighter than
    what the image can show. Near drops are out of focus, by a thin lens; those behind the scene are
    hidden by its depth; those too far to be told apart are a veil. A drop's oscillation and the
    light through its edge are left out.

    Args:
        rainfall: In millimetres an hour, drawn per image: 10 is a shower, 100 a cloudburst.
        exposure: In seconds, drawn per image on a logarithmic scale.
        surroundings: E, of the image's white, drawn per image.
        wind: Largest speed to either side, in m/s, that leans the streaks.
        focal: Focal length in pixels, drawn per image: about the width of the photograph that the
            image is a part of.
        focus: Distance of what is sharp, in metres, drawn per image.
        aperture: Diameter of the lens, in metres, drawn per image.
    """

    def __init__(
        self,
        rainfall: Range = (10, 80),
        exposure: Range = (1 / 400, 1 / 60),
        surroundings: Range = (1.5, 5.0),
        wind: float = 3.0,
        focal: Range = (600, 1600),
        focus: Range = (3, 20),
        aperture: Range = (0.002, 0.006),
    ) -> None:
        self.rainfall = check_range('rainfall', rainfall, lowest=0)
        self.exposure = check_range('exposure', exposure, lowest=1e-5)
        self.surroundings = check_range('surroundings', surroundings, lowest=0)
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
        rainfall, wind = rng.uniform(*self.rainfall), rng.uniform(-self.wind, self.wind)
        # Marshall and Palmer: 8000 exp(-slope D) drops in a cubic metre for each millimetre of D.
        slope = 4.1 * max(rainfall, 1e-3) ** -0.21
        density = 8000 / slope * np.exp(-slope * 1e3 * SMALLEST)
        typical = SMALLEST + 1e-3 / slope
        farthest = typical * camera.focal / THINNEST
        light = to_light(image)
        glow = np.float32(rng.uniform(*self.surroundings))
        veil = 1 - np.exp(-density * typical**2 * (far - farthest).clip(0, None))
        light = light + veil[..., None] * (glow - light)
        for layer in camera.layers(shape, farthest):
            drops = _drops(rng, camera, layer, shape, wind, slope, density)
            hidden = coverage(drops, shape, camera.blur(layer.distance))
            light = light + (hidden * (far > layer.distance))[..., None] * (glow - light)
        return from_light(light.clip(0, 1))


def _drops(
    rng: np.random.Generator,
    camera: Camera,
    layer: Layer,
    shape: tuple[int, int],
    wind: float,
    slope: float,
    density: float,
) -> Particles:
    """Draw the drops of a layer."""
    scale = camera.focal / layer.distance
    edge = scale * camera.exposure * float(_speed(SMALLEST + 1e-3 / slope))
    count = number_seen(rng, density, layer, shape, edge)
    size = (SMALLEST + rng.exponential(1e-3 / slope, count)).clip(None, LARGEST)
    speed = _speed(size)
    gusts = wind + 0.3 * rng.standard_normal(count)
    fall = np.stack([gusts, speed], axis=1) * camera.exposure
    fall[:, 1] += size
    begin = starts(rng, count, shape, edge)
    paths = np.stack([begin, begin + scale * fall], axis=1)
    return Particles(paths, scale * size, np.minimum(1, size / (speed * camera.exposure)))


def _speed(size: np.ndarray | float) -> np.ndarray:
    """Give the speed of drops of a diameter in metres, in m/s."""
    answer: np.ndarray = 200 * np.sqrt(np.asarray(size) / 2)
    return answer
