"""The learning rate of the all-in-one family's public code, epoch by epoch."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from annotated_types import Ge, doc
from mmengine.optim import _ParamScheduler

from irbox.registry import PARAM_SCHEDULERS
from irbox.utils.bounded import NonNegativeInt, PositiveFloat


@PARAM_SCHEDULERS.register_module()
class EpochWarmUpCosineLR(_ParamScheduler):  # type: ignore[misc]  # mmengine has no types
    r"""Linear warm-up and cosine that change once per epoch, as the published trainings ran.

    For the step ``s`` of the shape, warm-up ``w`` and cosine end ``t``, the learning rate is

    * ``lr * s / (w - 1)`` for ``s < w``: 0 at step 0 and already ``lr`` at step ``w - 1``;
    * ``lr * (1 + cos(pi * (s - w) / (t - w))) / 2`` from there on: 0 at step ``t``, and **rising
      again** after it where a training goes on.

    The published code of PromptIR, AdaIR, MEASNet and M2Restore passes the epoch's index to its
    scheduler at the end of that epoch, so that epoch ``e`` runs at step ``max(e - 1, 0)``: epochs 0
    and 1 both at 0. MoCE-IR's does not, and epoch ``e`` runs at step ``e``. M2Restore trains 200
    epochs with ``cosine_end`` 180: the learning rate is 0 in epoch 181 and 5.8e-6 in the last.

    A value depends on nothing but the number of iterations done, so that a resumed training has the
    same. The scheduler sets the learning rate, whatever other schedulers made of it: let it stand
    alone. ``LinearLR`` followed by ``CosineAnnealingLR`` is the shape for new trainings: it wastes
    no epoch at 0 and ends where the training does.

    Args:
        optimizer: Whose learning rate to set; ``lr`` is the one that it was built with.
        warm_up: Steps of warm-up, at least 2.
        cosine_end: Step at which the cosine reaches 0, counted from the start of the training.
        iterations_per_epoch: Iterations in an epoch, whole or not: iteration i belongs to epoch
            ``floor(i / iterations_per_epoch)``. A training fills it in from its data set.
        indexed: Epochs are one step late, as in all the codes but MoCE-IR's.
        begin: First iteration at which a value is set; epochs count from there.
        end: Iteration from which on the learning rate stays; a training fills in its length.
        last_step: Of mmengine, which resumes from the scheduler's state instead.
        by_epoch: Must be false: irbox counts iterations, and this class turns them into epochs.
        verbose: Log every value.

    Raises:
        ValueError: The warm-up ends after the cosine, or the iterations of an epoch are missing.
    """

    def __init__(
        self,
        optimizer: Any,
        warm_up: Annotated[int, Ge(2)],
        cosine_end: int,
        iterations_per_epoch: PositiveFloat | None = None,
        indexed: bool = True,
        begin: NonNegativeInt = 0,
        end: int = int(1e9),
        last_step: int = -1,
        by_epoch: Annotated[Literal[False], doc('Training counts iterations.')] = False,
        verbose: bool = False,
    ) -> None:
        if iterations_per_epoch is None:
            raise ValueError(
                'iterations_per_epoch is missing: samples divided by images per iteration. '
                'tools/train.py fills it in.'
            )
        if warm_up >= cosine_end:
            raise ValueError(
                f'warm_up={warm_up} and cosine_end={cosine_end}: the warm-up ends before the '
                'cosine does.'
            )
        self.warm_up = warm_up
        self.cosine_end = cosine_end
        self.iterations_per_epoch = iterations_per_epoch
        self.indexed = indexed
        super().__init__(optimizer, 'lr', begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> list[float]:
        # Rounded: 3 * (1000 / 3) iterations are 3 epochs, whatever the last bit says.
        epoch = math.floor(round(self.last_step / self.iterations_per_epoch, 9))
        factor = self._factor(max(epoch - 1, 0) if self.indexed else epoch)
        return [value * factor for value in self.base_values]

    def _factor(self, step: int) -> float:
        if step < self.warm_up:
            return step / (self.warm_up - 1)
        turn = (step - self.warm_up) / (self.cosine_end - self.warm_up)
        return (1 + math.cos(math.pi * turn)) / 2
