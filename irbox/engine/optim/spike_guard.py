"""Steps that are finite and far outside of what steps have been."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from irbox.utils.bounded import PositiveFloat, PositiveInt


class SpikeGuard:
    """Compares the gradient's norm and the loss of a step with the largest of the latest steps.

    A bit that flips in a memory, or an image that is none, gives a step that undoes days of
    training, and clipping still takes it in its direction.

    Args:
        gradient: Times the largest norm of the latest steps that is too much.
        loss: Times the largest loss; losses below zero are not judged.
        window: How many steps are the latest.
        least: Steps that must be known before any is judged.
    """

    def __init__(
        self,
        gradient: PositiveFloat = 100.0,
        loss: PositiveFloat = 10.0,
        window: PositiveInt = 100,
        least: PositiveInt = 20,
    ) -> None:
        self.gradient, self.loss, self.least = gradient, loss, least
        self.latest: deque[tuple[float, float]] = deque(maxlen=window)
        """Norm and loss of steps that were taken."""

    def judge(self, gradient: float, loss: float) -> str:
        """Say what is wrong with a step, or nothing; what is well is remembered.

        Args:
            gradient: Its norm, finite.
            loss: Of all its batches; one that is no number, or infinite, is not remembered.
        """
        if len(self.latest) >= self.least:
            gradients, losses = zip(*self.latest, strict=True)
            for name, value, factor, known in (
                ('gradient', gradient, self.gradient, gradients),
                ('loss', loss, self.loss, losses),
            ):
                largest = max(known)
                if largest > 0 and value > factor * largest:
                    return (
                        f'the {name} ({value:.3g}) is {value / largest:.3g} times the largest of '
                        f'the last {len(known)} steps'
                    )
        # The largest of numbers and one that is none depends on their order.
        if math.isfinite(loss):
            self.latest.append((gradient, loss))
        return ''

    def remember(self, latest: Sequence[Sequence[float]]) -> None:
        """Take over the steps of the training that is resumed."""
        self.latest.clear()
        self.latest.extend((gradient, loss) for gradient, loss in latest)
