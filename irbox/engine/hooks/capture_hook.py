"""Training steps as CUDA graphs."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from irbox.engine.captured_step import DEVICES, CapturedStep, can_step_captured
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt


@HOOKS.register_module()
class CaptureHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Launches both passes of a training step at once, as a CUDA graph; see ``CapturedStep``.

    On a CPU steps are taken as ever, and the log says so. Nothing of this is in a checkpoint.

    Args:
        after: Steps of a size of batch before it is captured.

    Raises:
        ValueError: The model or the optimiser's wrapper needs to be asked in the middle of a step.
    """

    def __init__(self, after: PositiveInt = 1) -> None:
        self.after = after

    def before_train(self, runner: Any) -> None:
        """Take the place of the model's ``train_step``."""
        if not can_step_captured(runner.optim_wrapper):
            raise ValueError(
                f'capture_steps: {type(runner.optim_wrapper).__name__} scales gradients, or takes '
                'steps in its own way. Train in bfloat16 (amp=bf16) or float32, or set '
                'capture_steps=false.'
            )
        step = CapturedStep(runner.model, self.after)
        device = next(runner.model.parameters()).device
        if device.type in DEVICES:
            runner.model.train_step = step
        else:
            runner.logger.info(f'capture_steps: there are no CUDA graphs on {device}.')

    def on_exit(self, runner: Any) -> None:
        """Give the model its own back, and the memory of the graphs."""
        vars(runner.model).pop('train_step', None)
