"""Gaussian noise as the all-in-one family adds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from irbox.degradations.degradation import Degradation
from irbox.registry import TRANSFORMS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt


@TRANSFORMS.register_module()
class GaussianNoise(Degradation):
    """``uint8(clip(x + sigma n, 0, 255))``, x on 0 to 255: clipped and truncated, not rounded.

    With an interval of ``sigma``, for training without knowledge of the strength (blind). Noise
    that grows with the light, Poisson and Gaussian together, is ``SensorNoise``.

    Truncation is what PromptIR, AdaIR and their successors train and test with. It darkens by about
    .4 grey levels, and clipping makes sigma 50 about 1.4 dB easier than unclipped protocols.

    Examples:
        >>> clean = np.full((4, 4, 3), 0.5, dtype=np.float32)
        >>> noisy = GaussianNoise(sigma=25)(clean, np.random.default_rng(0))
        >>> noisy.shape, noisy.dtype.name, bool((noisy == clean).all())
        ((4, 4, 3), 'float32', False)

    Args:
        sigma: Standard deviation in grey levels of 255. One of several is chosen per image.
        between: Draw it anywhere from the lowest to the highest of ``sigma`` instead, uniformly.
        clip: Without it the answer is ``x + sigma n`` as it is, below 0 and above 1 as well, and
            not cut to 8 bits: Restormer's noise. As the last step of a source's ``degrade`` it
            reaches the network so; any step behind it clips.
        per_channel: Draw a ``sigma`` for each of the three channels, not one for all.
        fixed_seed: Take n from numpy's older generator with this seed, for each image anew, as
            Restormer's test does with 0: ``RandomState(seed).normal`` of the image's shape.
    """

    def __init__(
        self,
        sigma: NonNegativeFloat | Annotated[Sequence[NonNegativeFloat], MinLen(1)] = (15, 25, 50),
        between: bool = False,
        clip: bool = True,
        per_channel: bool = False,
        fixed_seed: NonNegativeInt | None = None,
    ) -> None:
        self.fixed_seed = fixed_seed
        self.sigmas = tuple(np.atleast_1d(sigma).tolist())
        self.between, self.clip, self.per_channel = between, clip, per_channel

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        size = 3 if self.per_channel else None
        if self.between:
            sigma = np.float32(rng.uniform(min(self.sigmas), max(self.sigmas), size))
        else:
            sigma = np.float32(np.take(self.sigmas, rng.integers(len(self.sigmas), size=size)))
        if self.fixed_seed is None:
            noise = rng.standard_normal(image.shape, dtype=np.float32)
        else:
            older = np.random.RandomState(self.fixed_seed)
            noise = older.standard_normal(image.shape).astype(np.float32)
        answer: np.ndarray = image + sigma / np.float32(255) * noise
        if self.clip:
            answer = np.floor((image * 255 + sigma * noise).clip(0, 255)) / np.float32(255)
        return answer
