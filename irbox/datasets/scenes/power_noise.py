"""Noise with a power spectrum that falls like that of natural textures."""

from __future__ import annotations

import numpy as np
from scipy import fft


def power_noise(
    rng: np.random.Generator,
    size: int,
    slope: float,
    channels: int = 1,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> np.ndarray:
    """Draw periodic Gaussian noise whose power falls like ``1 / frequency ** slope``.

    Args:
        rng: Where all randomness comes from.
        size: Height and width.
        slope: 0 is white; photographs have about 2.
        channels: Independent maps.
        stretch: How much longer structures are than wide: grass, wood, brushed metal.
        angle: Of the long direction, in radians.

    Returns:
        (channels, size, size) float32, mean 0 and standard deviation 1.
    """
    y = fft.fftfreq(size)[:, None].astype(np.float32)
    x = fft.rfftfreq(size)[None].astype(np.float32)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    along, across = cos * x + sin * y, cos * y - sin * x
    power = float(stretch) * along**2 + across**2 / float(stretch)
    power[0, 0] = 1
    gain = power ** float(-slope / 4)
    gain[0, 0] = 0
    white = rng.standard_normal((channels, size, size), dtype=np.float32)
    noise: np.ndarray = fft.irfft2(fft.rfft2(white) * gain, s=(size, size))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    return noise
