"""What every degradation keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

Range = float | tuple[float, float]
"""A number, or the lowest and the highest of the numbers to draw from."""


class Degradation(ABC):
    """Checks what comes into a degradation, the base of all, and clips what goes out.

    Subclasses implement ``apply``. All randomness comes from the generator that is passed, so the
    result is a pure function of the image, the generator's state and the depth.
    """

    clip: bool = True
    """Whether what goes out is clipped and, after the last step, rounded as for a file."""
    margin: int = 0
    """How far, in pixels, a result pixel may look sideways. Who degrades crops cuts them this much
    larger on every side, so that no invented border is seen."""

    def __call__(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None = None
    ) -> np.ndarray:
        """Degrade an image.

        Args:
            image: (H, W, 3) float32, RGB, 0 to 1. It is left as it is.
            rng: Where all randomness comes from.
            depth: (H, W) float32, 0 near to 1 far. Degradations that need a depth draw a plausible
                one when none is given.

        Returns:
            The degraded image, (H, W, 3) float32, 0 to 1 (anything without ``clip``).

        Raises:
            ValueError: The image or the depth has another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.float32:
            raise ValueError(
                f'{type(self).__name__} takes a (H, W, 3) float32 image in 0 to 1, '
                f'got {image.shape} {image.dtype}.'
            )
        if depth is not None and depth.shape != image.shape[:2]:
            raise ValueError(
                f'{type(self).__name__}: depth {depth.shape} and image {image.shape[:2]} '
                'differ in size.'
            )
        answer = self.apply(image, rng, depth)
        return (answer.clip(0, 1) if self.clip else answer).astype(np.float32, copy=False)

    @abstractmethod
    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image; the result may leave 0 to 1, as between the steps of a chain."""


def check_range(name: str, value: Range, lowest: float = -np.inf) -> tuple[float, float]:
    """Write a range as two numbers.

    Examples:
        >>> check_range('beta', 0.5), check_range('beta', (0.5, 1))
        ((0.5, 0.5), (0.5, 1.0))

    Args:
        name: Of the argument, for the message.
        value: One number, or two.
        lowest: No number may be below it.

    Raises:
        ValueError: Something else was given.
    """
    pair = (value, value) if isinstance(value, int | float) else tuple(value)
    if len(pair) != 2 or not lowest <= pair[0] <= pair[1]:
        bound = '' if lowest == -np.inf else f', none below {lowest:g}'
        raise ValueError(f'{name}={value!r} must be a number or [lowest, highest]{bound}.')
    return float(pair[0]), float(pair[1])


def as_in_a_file(image: np.ndarray, steps: Sequence[object]) -> np.ndarray:
    """Round what some steps made to 8 bits, unless the last of them leaves it as it is."""
    return image if steps and not getattr(steps[-1], 'clip', True) else round_to_8_bits(image)


def round_to_8_bits(image: np.ndarray) -> np.ndarray:
    """Clip to 0 to 1 and round to the 256 values that an image file can hold."""
    answer: np.ndarray = np.rint(image.clip(0, 1) * 255).astype(np.float32) / np.float32(255)
    return answer
