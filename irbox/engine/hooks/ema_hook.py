"""Averaged weights."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Interval
from mmengine.hooks import EMAHook as MMEngineEMAHook

from irbox.engine.averaged_model import AveragedModel
from irbox.engine.wrapping import unwrapped
from irbox.registry import HOOKS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt


@HOOKS.register_module()
class EMAHook(MMEngineEMAHook):  # type: ignore[misc]  # mmengine has no types
    """Keeps a running average of the weights, and validates and saves that instead of the weights.

    mmengine's hook of this name, with its own average: see ``AveragedModel``. A checkpoint's
    ``state_dict`` holds the average; the weights that are being trained stand beside it.

    Args:
        momentum: Weight of the newest weights in the average, in the long run.
        warm_up: While it is larger than ``momentum``, the newest weights count ``warm_up /
            (warm_up + iterations)``, so that the first, random weights are soon forgotten. 0 counts
            ``momentum`` from the start.
        begin_iter: Average from this iteration on; before it the average follows the weights.
    """

    def __init__(
        self,
        momentum: Annotated[float, Interval(gt=0, lt=1)] = 0.001,
        warm_up: NonNegativeFloat = 10,
        begin_iter: NonNegativeInt = 0,
    ) -> None:
        super().__init__(begin_iter=begin_iter)
        self.momentum, self.warm_up = momentum, warm_up

    def before_run(self, runner: Any) -> None:
        """Copy the model."""
        model = runner.model
        self.src_model = unwrapped(model)
        self.ema_model = AveragedModel(self.src_model, self.momentum, self.warm_up, runner.twin)

    def after_val_stopped(self, runner: Any) -> None:
        """Put the trained weights back: a signal ended the validation."""
        self._swap_ema_parameters()
