"""Losses and learning rates, noted for those who log them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from torch import Tensor

from irbox.engine.checkpoint import HISTORY_LENGTH
from irbox.engine.leaving import DivergenceError
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):  # type: ignore[misc]  # mmengine has no types
    """Notes losses and learning rates without making a GPU wait in each iteration.

    mmengine's hook of this name reads each loss in each iteration, and formats the whole config as
    Python. This one keeps losses on the device and reads them together.

    Args:
        interval: Iterations between two readings. A logger's interval should be a multiple of it.
        limit: Iterations in a row with losses that are not finite, of which the last is an error.

    Raises:
        DivergenceError: Losses have not been finite for so many iterations.
    """

    def __init__(self, interval: PositiveInt = 10, limit: PositiveInt = 100) -> None:
        self.interval, self.limit = interval, limit
        self.bad_in_row = 0
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

    def before_saving(self, runner: Any) -> None:
        """Leave nothing unread."""
        self.flush(runner)

    def flush(self, runner: Any) -> None:
        """Read all losses that were kept, in one go: their means over all processes.

        What any process was told by a signal comes with them.
        """
        pending, self.pending = self.pending, []
        numbers = [value.float() for _, values in pending for value in values.values()]
        if not numbers:
            return
        together = torch.stack(numbers)
        if get_world_size() > 1:
            told = float(runner.signals.received is not None)
            together = torch.cat([together, together.new_tensor([told])])
            all_reduce(together, 'mean')
            runner.note_stop(together[-1].item())
        read = iter(together.tolist())
        hub = runner.message_hub
        for iteration, values in pending:
            found = {key: next(read) for key in values}
            if all(map(math.isfinite, found.values())):
                for key, value in found.items():
                    hub.update_scalar(f'train/{key}', value)
                self.bad_in_row = 0
            else:
                self._pass_over(iteration, found)
        for buffer in hub.log_scalars.values():
            buffer.max_length = HISTORY_LENGTH

    def _pass_over(self, iteration: int, losses: Mapping[str, float]) -> None:
        """Leave bad losses out of means, which they would spoil; without end they are an error.

        Where their gradients are bad, too, the step was left out, see ``FiniteStepsHook``.
        """
        self.bad_in_row += 1
        if self.bad_in_row >= self.limit:
            shown = ', '.join(f'{key} was {value:g}' for key, value in losses.items())
            raise DivergenceError(
                f'in iteration {iteration} {shown}, and so for {self.bad_in_row} iterations'
            )
