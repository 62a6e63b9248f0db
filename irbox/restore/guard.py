"""A check of what a network answered."""

from __future__ import annotations

from torch import Tensor

BLACK = 1 / 255
"""Nothing brighter than the darkest step of 8 bits is black."""
DARK = 0.02
"""Inputs whose mean is below this may well become black."""
DRIFT = 0.25
"""How far the mean of a color may move. Strong enough haze or darkness moves it further, which is
why a drift is a reason to compute again in full precision and to say so, not an error."""


def find_fault(given: Tensor, answer: Tensor) -> str | None:
    """Say what is wrong with a restored image, or None.

    Args:
        given: (..., 3, H, W), the degraded image, 0 to 1.
        answer: Same shape, restored, not clipped.

    Returns:
        ``'not finite'``, ``'black'`` or ``'of another mean color (+0.31 in red)'``.
    """
    if not answer.isfinite().all():
        return 'not finite'
    if answer.amax() < BLACK and given.mean() > DARK:
        return 'black'
    drift = answer.clamp(0, 1).mean((-1, -2)) - given.mean((-1, -2))
    drift = drift.reshape(-1, 3)[drift.reshape(-1, 3).abs().sum(1).argmax()]
    worst = int(drift.abs().argmax())
    if abs(float(drift[worst])) > DRIFT:
        color = ('red', 'green', 'blue')[worst]
        return f'of another mean color ({float(drift[worst]):+.2f} in {color})'
    return None
