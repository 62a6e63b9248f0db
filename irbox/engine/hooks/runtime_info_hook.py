"""Losses and learning rates, noted for those who log them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from torch import Tensor

from irbox.engine.checkpoint import HISTORY_LENGTH
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):  # type: ignore[misc]  # mmengine has no types
    """Notes losses and learning rates without making a GPU wait in each iteration.

    mmengine's hook of this name reads each loss in each iteration, and formats the whole config as
    Python. This one keeps losses on the device and reads them together.

    Args:
        interval: Iterations between two readings. A logger's interval should be a multiple of it.

    Raises:
        FloatingPointError: A loss is not finite any more.
    """

    def __init__(self, interval: PositiveInt = 10) -> None:
        self.interval = interval
        self.pending: list[tuple[int, dict[str, Tensor]]] = []

    def before_run(self, runner: Any) -> None:
        """Start anew."""
        self.last_loop_stage = None

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Tensor] | Sequence[Any] | None = None,
    ) -> None:
        """Keep what the iteration gave; read it if it is time."""
        if isinstance(outputs, Mapping):
            values = {key: torch.as_tensor(value).detach() for key, value in outputs.items()}
            self.pending.append((runner.iter + 1, values))
        if self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner):
            self.flush(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Leave nothing unread, and save no weights that a bad loss has spoilt."""
        self.flush(runner)

    def flush(self, runner: Any) -> None:
        """Read all losses that were kept, in one go."""
        pending, self.pending = self.pending, []
        numbers = [value.float() for _, values in pending for value in values.values()]
        read = iter(torch.stack(numbers).tolist() if numbers else [])
        hub = runner.message_hub
        for iteration, values in pending:
            found = {key: next(read) for key in values}
            if not all(map(math.isfinite, found.values())):
                losses = ', '.join(f'{key} {value:g}' for key, value in found.items())
                raise FloatingPointError(
                    f'The training diverged in iteration {iteration}: {losses}. Lower the learning '
                    'rate, warm up longer, or clip gradients (optim_wrapper.clip_grad.max_norm); '
                    'then resume from the last checkpoint.'
                )
            for key, value in found.items():
                hub.update_scalar(f'train/{key}', value)
        for buffer in hub.log_scalars.values():
            buffer.max_length = HISTORY_LENGTH
