"""What pictures are like, in numbers: scenes beside photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

BINS = 32
# Of the dark channel prior (He, Sun, Tang, 2009).
WINDOW = 15


@dataclass(frozen=True)
class PictureStatistics:
    """Statistics of one picture; histograms have ``BINS`` bins over their range and sum to 1."""

    spectrum_slope: float
    """Power falls like 1 / frequency ** slope; about 2 in photographs."""
    gradient_kurtosis: float
    """Excess kurtosis of the differences between neighbours, of log luminance; 0 is Gaussian."""
    smooth_share: float
    """Share of pixels that differ from their neighbours by less than 2 of 255."""
    dark_channel: np.ndarray
    """Histogram over 0 to 1 of the darkest value around each pixel."""
    brightness: np.ndarray
    """Histogram over 0 to 1 of the luminance."""
    chroma: np.ndarray
    """Histogram over 0 to 100 of the distance from grey in Lab."""


def picture_statistics(image: np.ndarray) -> PictureStatistics:
    """Measure a picture.

    Args:
        image: (H, W, 3) uint8, RGB.
    """
    from skimage.color import rgb2lab

    values = image / 255
    luminance = values @ (0.299, 0.587, 0.114)
    dark = ndimage.minimum_filter(values.min(-1), WINDOW)
    log = np.log(luminance + 1 / 255)
    steps = np.concatenate([np.diff(log, axis=0).ravel(), np.diff(log, axis=1).ravel()])
    down, right = np.diff(luminance, axis=0)[:, :-1], np.diff(luminance, axis=1)[:-1]
    lab = rgb2lab(values)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return PictureStatistics(
        spectrum_slope(luminance),
        float(stats.kurtosis(steps)),
        float((np.maximum(np.abs(down), np.abs(right)) < 2 / 255).mean()),
        _histogram(dark, 1),
        _histogram(luminance, 1),
        _histogram(chroma, 100),
    )


def spectrum_slope(grey: np.ndarray) -> float:
    """Fit the slope of the power spectrum, between 1/64 and 1/4 of the sampling frequency.

    Args:
        grey: (H, W), of which the middle square is used.
    """
    side = min(grey.shape)
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[top : top + side, left : left + side]
    window = np.hanning(side)
    power = np.abs(np.fft.fft2((square - square.mean()) * window[:, None] * window)) ** 2
    frequency = np.fft.fftfreq(side)
    radius = np.hypot(frequency[:, None], frequency)
    bounds = np.geomspace(1 / 64, 1 / 4, 13)
    ring = np.digitize(radius, bounds)
    middle, mean = [], []
    for number in range(1, len(bounds)):
        # Small pictures have no frequency in some of the rings.
        if (inside := ring == number).any():
            middle.append(np.log(radius[inside]).mean())
            mean.append(np.log(power[inside].mean() + 1e-12))
    return float(-np.polyfit(middle, mean, 1)[0])


def _histogram(values: np.ndarray, highest: float) -> np.ndarray:
    counts, _ = np.histogram(values.clip(0, highest), BINS, (0, highest))
    answer: np.ndarray = counts / counts.sum()
    return answer
