"""Snow as in Snow100K."""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.registry import TRANSFORMS
from irbox.utils.bounded import NonNegativeFloat

# Flakes are drawn at this many times the size and averaged.
OVERSAMPLING = 4


class Flakes(TypedDict):
    """One kind of flakes."""

    density: tuple[float, float]
    """Flakes per pixel."""
    radius: tuple[float, float]
    """In pixels."""
    opacity: tuple[float, float]
    smear: int
    """By the wind, in pixels."""
    softness: float
    """Of the edge, in pixels."""


SMALL: Flakes = {
    'density': (0.003, 0.006),
    'radius': (0.6, 1.5),
    'opacity': (0.6, 1.0),
    'smear': 0,
    'softness': 0.35,
}
MEDIUM: Flakes = {
    'density': (0.0008, 0.0016),
    'radius': (1.5, 3.2),
    'opacity': (0.5, 0.95),
    'smear': 2,
    'softness': 0.6,
}
LARGE: Flakes = {
    'density': (0.0004, 0.0011),
    'radius': (3.2, 7.5),
    'opacity': (0.5, 0.9),
    'smear': 3,
    'softness': 1.0,
}
SIZES = {'S': (SMALL,), 'M': (SMALL, MEDIUM), 'L': (SMALL, MEDIUM, LARGE)}


@TRANSFORMS.register_module()
class Snow(Degradation):
    """Flakes over the image: ``z C + x (1 - z)`` with opacity z and a nearly white colour C.

    Source: the model of Snow100K (DesnowNet), whose sets S, M and L add larger flakes. Densities
    and radii are ours, chosen by the input PSNR and SSIM. Flakes are irregular polygons, the larger
    ones smeared by the wind; what falls far away is a veil, grainy in every fourth image.

    Args:
        size: ``S``, ``M`` or ``L``; ``mixed`` chooses one per image.
        amount: Multiplies the number of flakes; of a range, drawn uniformly per image.
        veil: Opacity of what falls far away, drawn uniformly per image.
    """

    def __init__(
        self,
        size: Literal['S', 'M', 'L', 'mixed'] = 'mixed',
        amount: NonNegativeFloat | tuple[NonNegativeFloat, NonNegativeFloat] = 1.0,
        veil: Range = (0.0, 0.09),
    ) -> None:
        self.sizes = tuple(SIZES) if size == 'mixed' else (size,)
        self.amount = check_range('amount', amount, lowest=0)
        self.veil = check_range('veil', veil, lowest=0)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        shape = image.shape[:2]
        wind = rng.uniform(-0.8, 0.8)
        amount, most = self.amount
        if amount < most:
            amount = rng.uniform(amount, most)
        clear = np.ones(shape, dtype=np.float32)
        for kind in SIZES[self.sizes[rng.integers(len(self.sizes))]]:
            clear *= 1 - _flakes(rng, shape, wind, amount=amount, **kind)
        veil = np.float32(rng.uniform(*self.veil))
        if rng.random() < 0.25:
            grain = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 0.8)
            veil = (veil * (1 + grain)).clip(0, 1)
        clear *= 1 - veil
        colour = np.float32(rng.uniform(0.88, 1)) * np.array([0.98, 0.99, 1.0], dtype=np.float32)
        answer: np.ndarray = colour + clear[..., None] * (image - colour)
        return answer


def _flakes(
    rng: np.random.Generator,
    shape: tuple[int, int],
    wind: float,
    *,
    density: tuple[float, float],
    radius: tuple[float, float],
    opacity: tuple[float, float],
    smear: int,
    softness: float,
    amount: float,
) -> np.ndarray:
    """Opacity of one kind of flakes, (H, W) in 0 to 1."""
    height, width = shape
    # Flakes that reach in from outside are seen too: borders are no different from the middle.
    edge = radius[1]
    area = (height + 2 * edge) * (width + 2 * edge)
    count = rng.poisson(amount * rng.uniform(*density) * area)
    centre = rng.uniform(-edge, np.array([width, height]) + edge, (count, 1, 2))
    corners = 6 if radius[1] < 2 else 10
    angle = np.arange(corners) * (2 * np.pi / corners) + rng.uniform(0, 2 * np.pi, (count, 1))
    ragged = rng.uniform(*radius, (count, 1)) * rng.uniform(0.6, 1.25, (count, corners))
    # Flakes are seen from all sides: some of them are slim.
    slim = rng.uniform(0.6, 1, (count, 1))
    points = centre + np.stack([ragged * np.cos(angle), slim * ragged * np.sin(angle)], axis=2)
    greys = (255 * rng.uniform(*opacity, count)).astype(int).tolist()
    sheet = Image.new('L', (width * OVERSAMPLING, height * OVERSAMPLING))
    draw = ImageDraw.Draw(sheet)
    for outline, grey in zip(
        (OVERSAMPLING * points).reshape(count, 2 * corners).tolist(), greys, strict=True
    ):
        draw.polygon(outline, fill=grey)
    flakes = np.asarray(sheet.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)
    if smear:
        steps = [np.roll(flakes, (s, round(s * wind)), axis=(0, 1)) for s in range(smear + 1)]
        flakes = np.mean(steps, axis=0, dtype=np.float32)
    answer: np.ndarray = ndimage.gaussian_filter(flakes, softness)
    return answer
