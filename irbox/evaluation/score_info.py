"""What readers of a score must know: where it is printed, nobody looks it up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreInfo:
    """Declares how a score is printed and read; a metric has one for each of its scores."""

    digits: int = 4
    """Behind the decimal point, where it is printed."""
    higher_is_better: bool | None = None
    """None: it is neither, such as a number of images."""
    unit: str = ''
    """Such as ``dB``; empty for a number without one."""
    title: str = ''
    """In tables; the name in capitals by default."""
    averaged: bool = True
    """Whether a mean over tasks says anything."""

    def heading(self, name: str) -> str:
        """Give the title, with the unit where there is one."""
        return (self.title or name.upper()) + (f' ({self.unit})' if self.unit else '')


# What every table has; other scores are declared by their metrics.
SIMILARITY = {
    'psnr': ScoreInfo(digits=2, higher_is_better=True, unit='dB'),
    'ssim': ScoreInfo(digits=4, higher_is_better=True),
}
