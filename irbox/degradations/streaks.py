"""Measuring streaks and flakes in a mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from skimage.measure import label, regionprops

# What overlaps others is no single streak: less of its outline is filled.
FILLED = 0.7
FEWEST_PIXELS = 8


class Streaks(NamedTuple):
    """Single streaks of a mask; all arrays (N,)."""

    lengths: np.ndarray
    """In pixels, of the ellipse with the same moments."""
    widths: np.ndarray
    angles: np.ndarray
    """From the vertical, in degrees, -90 to 90; positive leans to the right as it falls."""
    areas: np.ndarray
    """In pixels: what an eye weighs them by."""


def measure_streaks(mask: np.ndarray, threshold: float = 0.02) -> Streaks:
    """Measure the streaks that lie alone in a mask.

    Args:
        mask: (H, W), 0 where nothing falls.
        threshold: What is brighter belongs to a streak.
    """
    border = [0, 0, *mask.shape]
    alone = [
        region
        for region in regionprops(label(mask > threshold))  # type: ignore[no-untyped-call]
        if region.area >= FEWEST_PIXELS
        and region.solidity > FILLED
        # What the border cuts has another length.
        and not any(np.equal(region.bbox, border))
    ]
    return Streaks(
        np.array([region.axis_major_length for region in alone]),
        np.array([region.axis_minor_length for region in alone]),
        np.rad2deg([region.orientation for region in alone]),
        np.array([region.area for region in alone]),
    )
