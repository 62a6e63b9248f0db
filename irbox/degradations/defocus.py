"""Blur by a lens that is focused elsewhere."""

from __future__ import annotations

import numpy as np
from scipy import fft

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.degradations.linear_light import from_light, to_light
from irbox.degradations.synthetic_depth import synthetic_depth
from irbox.registry import TRANSFORMS
from irbox.utils.bounded import Share

# Planes of depth are blurred each by a disc of its own. Their radii differ by so many pixels, or by
# more, so that there are no more planes than that.
STEP = 1.5
PLANES = 4
FAINT = np.float32(1e-3)


@TRANSFORMS.register_module()
class Defocus(Degradation):
    """Points become discs, in linear light: all alike, or the larger the farther from the focus.

    With a depth, ``by_depth`` of the images are focused at a drawn depth f; the disc's radius is
    ``radius |d - f| / max(f, 1 - f)``, so that ``radius`` is that of the thing that can be farthest
    from the focus. (A thin lens goes by 1 / d of metres, which a depth in 0 to 1 is not.) Planes of
    depth are blurred one by one and laid over each other from far to near, as light does it: what
    is near and blurred spreads over what is sharp behind it, and not the other way round.

    Args:
        radius: In pixels, at most 16, drawn uniformly per image.
        by_depth: Share of the images in which the depth decides; in the others, everything is out
            of focus by the same radius.
    """

    def __init__(self, radius: Range = (0.8, 5.0), by_depth: Share = 0.5) -> None:
        self.radius = check_range('radius', radius, lowest=0)
        if self.radius[1] > 16:
            raise ValueError(f'radius={radius!r}: at most 16 pixels.')
        self.by_depth = by_depth
        self.margin = int(np.ceil(self.radius[1])) + 1

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        height, width = image.shape[:2]
        radius = rng.uniform(*self.radius)
        # Borders are mirrored, to sizes that a Fourier transform likes.
        rows, columns = (
            (self.margin, fft.next_fast_len(side + 2 * self.margin, real=True) - side - self.margin)
            for side in (height, width)
        )
        light = np.pad(image, (rows, columns, (0, 0)), mode='symmetric').transpose(2, 0, 1)
        light = to_light(np.ascontiguousarray(light))
        if rng.random() < self.by_depth:
            if depth is None:
                depth = synthetic_depth(rng, (height, width))
            depth = np.pad(depth, (rows, columns), mode='symmetric')
            focus = rng.uniform(0, 1)
            blurred = _blur_by_depth(light, depth, focus, radius / max(focus, 1 - focus))
        else:
            blurred = _blur(light, radius)
        inner = blurred[:, self.margin : self.margin + height, self.margin : self.margin + width]
        return from_light(inner).transpose(1, 2, 0)


def _blur_by_depth(
    light: np.ndarray, depth: np.ndarray, focus: float, per_depth: float
) -> np.ndarray:
    """Blur (3, H, W) light plane by plane, from far to near."""
    near, far = float(depth.min()), float(depth.max())
    count = min(PLANES, 1 + int(np.ceil(per_depth * (far - near) / STEP)))
    if count == 1:
        return _blur(light, per_depth * abs(far - focus))
    # Each pixel belongs to the two planes next to it, in shares that add up to 1; position 0 is
    # the farthest plane, count - 1 the nearest.
    position = (far - depth) * np.float32((count - 1) / (far - near))
    planes = np.linspace(far, near, count)
    if near < focus < far:
        # What is in focus must be sharp: a plane is there.
        focus = planes[np.abs(planes - focus).argmin()]
    result = light
    for number, plane in enumerate(planes):
        share = (1 - np.abs(position - number)).clip(0, 1)
        # A plane goes on behind what hides it, and the farthest is everywhere.
        reach = (position - number + 1).clip(0, 1)
        blurred = _blur(
            np.concatenate([light * share, share[None], reach[None]]),
            per_depth * abs(plane - focus),
        )
        # Where a plane has nothing of its own within its disc, the pixel's own light stands in.
        own = (blurred[:3] + FAINT * light) / (blurred[3].clip(0, None) + FAINT)
        result = result + blurred[4].clip(0, 1) * (own - result) if number else own
    return result


def _blur(planes: np.ndarray, radius: float) -> np.ndarray:
    """Convolve planes (C, H, W) with a disc; they go on at the other side.

    At its radius a disc is half as bright; one of half a pixel or less is a single pixel.
    """
    if radius <= 0.5:
        return planes
    size = planes.shape[1:]
    away = [np.minimum(np.arange(side), side - np.arange(side)) for side in size]
    distance = np.hypot(away[0][:, None], away[1][None]).astype(np.float32)
    disc = (np.float32(radius + 0.5) - distance).clip(0, 1)
    spectrum = fft.rfft2(planes)
    spectrum *= fft.rfft2(disc / disc.sum())
    blurred: np.ndarray = fft.irfft2(spectrum, s=size, overwrite_x=True)
    return blurred
