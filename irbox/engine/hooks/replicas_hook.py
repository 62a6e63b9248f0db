"""Processes of a training that should be alike, and are not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median_low
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook
from torch import Tensor, nn

from irbox.engine.leaving import DivergenceError
from irbox.engine.sharding import is_sharded
from irbox.engine.wrapping import unwrapped
from irbox.registry import HOOKS
from irbox.utils.bounded import NonNegativeFloat, PositiveInt
from irbox.utils.weights import few

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
SHARE = 0.2
"""Of a step: what a process may be behind the others."""


@HOOKS.register_module()
class ReplicasHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Looks whether all processes have the same weights, and names one that is slow.

    A memory's fault in one process gives others its gradients, and what is saved depends on where
    it happened: so sums of the weights' bits are compared, and a difference ends the training
    before anything is written. Where one process takes longer, all wait for it in the exchange of
    gradients, so that nobody's own step says who it is: what is compared is each one's time from
    the end of a step to the beginning of the backward pass.

    Nothing is done where there is one process; weights that are shared out are not compared.

    Args:
        interval: Iterations between two comparisons of weights; there is one before each
            checkpoint, too.
        timing: Iterations between two comparisons of times.
        behind: Seconds a step, from which on a process is slow, if it is a fifth of a step, too.

    Raises:
        DivergenceError: Weights differ.
    """

    # Before weights are averaged and saved.
    priority = 'VERY_HIGH'

    def __init__(
        self,
        interval: PositiveInt = 500,
        timing: PositiveInt = 50,
        behind: NonNegativeFloat = 0.1,
    ) -> None:
        self.interval, self.timing, self.behind = interval, timing, behind
        self.slow: str | None = None

    def before_train(self, runner: Any) -> None:
        """Start the clock."""
        self.began = self.ended = time.perf_counter()
        self.own = 0.0
        self.counted = 0

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Compare, if it is time."""
        if get_world_size() == 1:
            return
        self.own += max(getattr(runner.optim_wrapper, 'began', 0.0) - self.ended, 0.0)
        self.counted += 1
        if self.every_n_train_iters(runner, self.timing):
            self._compare_times(runner)
        if self.every_n_train_iters(runner, self.interval):
            self._compare_weights(runner)
        self.ended = time.perf_counter()

    def after_val(self, runner: Any) -> None:
        """Leave a validation out, which the first process may spend alone."""
        self.ended = time.perf_counter()

    def before_saving(self, runner: Any) -> None:
        """Let no checkpoint be written of which nobody knows whose it is."""
        if get_world_size() > 1:
            self._compare_weights(runner)

    def _compare_times(self, runner: Any) -> None:
        now = time.perf_counter()
        whole = (now - self.began) / self.counted
        found = all_gather_object((self.own / self.counted, whole))
        self.began, self.own, self.counted = now, 0.0, 0
        own = [one for one, _ in found]
        usual, slowest = median_low(own), max(own)
        behind = slowest - usual
        if behind < max(self.behind, SHARE * max(step for _, step in found)):
            self.slow = None
            return
        text = f'Process {own.index(slowest)} of {len(own)}'
        if text != self.slow:
            # Once, until another one is.
            self.slow = text
            runner.logger.warning(
                f'{text} takes {behind:.2f} s a step more than the others, up to the backward pass '
                f'({slowest:.2f} s beside {usual:.2f} s): all wait for it. Look at its machine, '
                'its disk and its device.'
            )

    def _compare_weights(self, runner: Any) -> None:
        if is_sharded(runner.model):
            return
        model = unwrapped(runner.model)
        names, sums = digests(model)
        found = all_gather_object(sums.tolist())
        first = max(found, key=found.count)
        others = {
            rank: [name for name, one, other in zip(names, first, own, strict=True) if one != other]
            for rank, own in enumerate(found)
            if own != first
        }
        if not others:
            return
        told = '; '.join(f'{few(bad)} in process {rank}' for rank, bad in others.items())
        raise DivergenceError(
            f'in iteration {runner.iter + 1} the weights of the processes are no longer the same: '
            f'{told}',
            'Look at the memory of that machine; --resume goes on from the last checkpoint.',
        )


def digests(model: nn.Module) -> tuple[list[str], Tensor]:
    """Sum the bits of each weight: a single one that changes is seen.

    Returns:
        Names, and (N,) int64.
    """
    named = dict(model.named_parameters())
    sums = [
        weight.detach().contiguous().view(-1).view(BITS[weight.element_size()]).sum()
        for weight in named.values()
    ]
    return list(named), torch.stack(sums)
