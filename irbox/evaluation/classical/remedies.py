"""Which remedy is at hand for which degradation, and how it is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np

from irbox.evaluation.classical.brighten import adaptive_equalization, gamma_correction
from irbox.evaluation.classical.dark_channel import dark_channel
from irbox.evaluation.classical.deblur import richardson_lucy
from irbox.evaluation.classical.denoise import non_local_means, total_variation, wavelets
from irbox.evaluation.classical.smooth import guided_smoothing, median

Setting = Mapping[str, Any]
"""Arguments of a remedy, by name."""


@dataclass(frozen=True)
class Remedy:
    """A function and the settings that are tried."""

    name: str
    restore: Callable[..., np.ndarray]
    """(H, W, 3) float32 in 0 to 1, and a setting -> the same."""
    grid: Mapping[str, tuple[float, ...]]
    """Argument to its values; all combinations are tried."""

    def settings(self) -> list[dict[str, float]]:
        """List all combinations."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]


_NOISE = (
    Remedy('non-local means', non_local_means, {'strength': (0.4, 0.6, 0.8, 1.0, 1.2)}),
    Remedy('total variation', total_variation, {'weight': (0.05, 0.08, 0.12, 0.17, 0.25)}),
    Remedy('wavelets', wavelets, {'strength': (0.7, 1.0, 1.3, 1.7, 2.2)}),
)
_HAZE = (
    Remedy(
        'dark channel',
        dark_channel,
        {
            'omega': (0.6, 0.7, 0.8, 0.9, 1.0),
            'patch': (7, 15, 25, 41),
            'least': (0.1, 0.3, 0.4, 0.5),
        },
    ),
)
_DARKNESS = (
    Remedy('CLAHE', adaptive_equalization, {'clip_limit': (0.003, 0.01, 0.03, 0.1, 0.3)}),
    Remedy(
        'gamma',
        gamma_correction,
        {'gamma': (0.3, 0.4, 0.5, 0.6, 0.7), 'gain': (0.85, 1.0, 1.2, 1.4, 1.7)},
    ),
)
_WEATHER = (
    Remedy('median', median, {'width': (1, 3, 5, 7), 'height': (1, 3, 5, 7)}),
    Remedy(
        'guided filter',
        guided_smoothing,
        {'radius': (1, 2, 4, 8), 'eps': (1e-3, 4e-3, 2e-2, 5e-2, 0.1)},
    ),
)
_BLUR = (
    Remedy(
        'Richardson-Lucy',
        richardson_lucy,
        {'sigma': (0.7, 1.0, 1.5, 2.0), 'iterations': (5, 12, 30)},
    ),
)
REMEDIES: Mapping[str, tuple[Remedy, ...]] = {
    'haze': _HAZE,
    'rain': _WEATHER,
    'snow': _WEATHER,
    'noise': _NOISE,
    'low_light': _DARKNESS,
    'motion_blur': _BLUR,
    'defocus': _BLUR,
}
"""Name of a degradation to its remedies. There is none for JPEG, nor for drops on the lens."""


def tune(
    remedy: Remedy, pairs: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[dict[str, float], float]:
    """Find the setting with the highest mean PSNR.

    Args:
        remedy: What to set.
        pairs: Degraded and clean images, (H, W, 3) float32 in 0 to 1.

    Returns:
        The setting and its mean PSNR, in decibels.
    """
    images = list(pairs)
    found = [
        (
            fmean(_psnr(remedy.restore(degraded, **setting), clean) for degraded, clean in images),
            number,
        )
        for number, setting in enumerate(remedy.settings())
    ]
    best, number = max(found)
    return remedy.settings()[number], best


def _psnr(restored: np.ndarray, clean: np.ndarray) -> float:
    error = np.square(restored.astype(np.float64) - clean).mean()
    return float(-10 * np.log10(max(error, 1e-20)))
