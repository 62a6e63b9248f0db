"""The camera's tone curve: from light to the numbers of a file."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Mood = Literal['normal', 'dark', 'bright', 'nothing_dark', 'nothing_bright']
MOODS: tuple[Mood, ...] = get_args(Mood)


class Tone:
    """Draws exposure, contrast and colourfulness, and develops a picture.

    Whole scenes may be dark, bright, without anything dark (as in mist, though it is none) or
    without anything bright: what is not degraded must be seen in all of these.

    Args:
        rng: Where all randomness comes from.
        mood: Which of them.
    """

    def __init__(self, rng: np.random.Generator, mood: Mood = 'normal') -> None:
        self.middle = {
            'normal': rng.uniform(0.28, 0.58),
            'dark': rng.uniform(0.1, 0.25),
            'bright': rng.uniform(0.6, 0.85),
            'nothing_dark': rng.uniform(0.45, 0.75),
            'nothing_bright': rng.uniform(0.25, 0.48),
        }[mood]
        self.lift = rng.uniform(0.12, 0.4) if mood == 'nothing_dark' else 0.0
        self.top = rng.uniform(0.45, 0.75) if mood == 'nothing_bright' else 1.0
        self.headroom = np.exp(rng.normal(0.4, 0.3))
        self.contrast = np.exp(rng.normal(0.18, 0.2))
        self.vivid = np.exp(rng.normal(-0.05, 0.2))
        self.softness = rng.uniform(0.0, 0.9)

    def develop(self, light: np.ndarray) -> np.ndarray:
        """Develop a picture.

        Args:
            light: (H, W, 3) float32 linear RGB, not bounded above.

        Returns:
            (H, W, 3) float32, 0 to 1, as files have it (sRGB).
        """
        grey = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        exposure = self.middle**2.2 / max(float(np.median(grey[::2, ::2])), 1e-3)
        # What is bright is saved from clipping, mostly: cameras expose for it.
        brightest = float(np.quantile(light.max(-1)[::4, ::4], 0.97))
        exposure = min(exposure, self.headroom / max(brightest, 1e-3))
        image = light * np.float32(exposure)
        # A shoulder: light bends towards 1 instead of breaking off there.
        knee = np.float32(1 - 0.6 * self.softness)
        over = (image - knee).clip(0, None)
        image = np.minimum(image, knee) + over * (1 - knee) / (over + 1 - knee + 1e-6)
        image = image.clip(0, 1) ** np.float32(1 / 2.2)
        # An S around the middle grey.
        bent = image ** np.float32(self.contrast)
        share = bent / (bent + (1 - image) ** np.float32(self.contrast) + 1e-6)
        grey = share.mean(-1, keepdims=True)
        share = grey + np.float32(self.vivid) * (share - grey)
        answer: np.ndarray = self.lift + (self.top - self.lift) * share.clip(0, 1)
        return answer.astype(np.float32)
