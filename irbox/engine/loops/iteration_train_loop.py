"""Training by iteration, resumable to the bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from mmengine.runner import BaseLoop, IterBasedTrainLoop
from mmengine.runner.utils import calc_dynamic_intervals
from torch import nn
from torch.utils.data import DataLoader

from irbox.datasets.read_image import BadImageError
from irbox.engine.leaving import ValidationStopped
from irbox.layers.shared_noise import seed_shared_noise
from irbox.registry import LOOPS
from irbox.utils.bounded import NonNegativeInt, PositiveInt


def check_sampler(loader: DataLoader[Any]) -> None:
    """Refuse a loader whose sampler cannot start where a training stopped.

    Raises:
        ValueError: The sampler has no ``start_at``.
    """
    if not hasattr(loader.sampler, 'start_at'):
        raise ValueError(
            f'train_dataloader.sampler: {type(loader.sampler).__name__} cannot start in the '
            'middle, which resuming needs. Use DrawSampler.'
        )


@LOOPS.register_module()
class IterationTrainLoop(IterBasedTrainLoop):  # type: ignore[misc]  # mmengine has no types
    """Trains for a number of iterations, so that what was interrupted continues as if it was not.

    Two things make a resumed training equal to an uninterrupted one, to the bit on a CPU. The
    sampler starts where the training stopped (``sampler.start_at``), without reading again what was
    read before. And all global random generators are seeded anew in each iteration, from the seed,
    the iteration and the process, so that no state of theirs has to be saved.

    Args:
        runner: The Runner.
        dataloader: A data loader or its config. Its sampler is endless and has ``start_at``, as
            ``DrawSampler`` does.
        max_iters: Iterations in all. With gradient accumulation, each of its batches counts.
        val_begin: Validate not before this iteration.
        val_interval: Iterations between validations. There is one after the last iteration, too.

    Raises:
        ValueError: The sampler has no ``start_at``.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: DataLoader[Any] | dict[str, Any],
        max_iters: PositiveInt,
        val_begin: NonNegativeInt = 1,
        val_interval: PositiveInt = 1000,
    ) -> None:
        # Not the parent's constructor: it starts reading data at once, before a resumed training
        # could say where.
        BaseLoop.__init__(self, runner, dataloader)
        self._max_iters = max_iters
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self.left_validation = False
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(val_interval)
        self._started_at = (0, 0)
        check_sampler(self.dataloader)

    def draws_after(self, iteration: int) -> int:
        """Count the samples that all processes have used together after a number of iterations."""
        since, draws = self._started_at
        at_a_time: int = self.dataloader.batch_size * self.runner.world_size
        return draws + (iteration - since) * at_a_time

    def continue_from(self, iteration: int, draws: int) -> None:
        """Go on after an iteration, as the saved state of another run of this loop says.

        Args:
            iteration: How many are done.
            draws: How many samples they used.
        """
        self._iter = iteration
        self._started_at = (iteration, draws)

    def run(self) -> nn.Module:
        """Train."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self.dataloader.sampler.start_at(self.draws_after(self._iter))
        if self._iter > 0 and self.runner.message_hub.get_info('evaluated_at') != self._iter:
            # It was interrupted during the validation that belongs to its last iteration.
            self._validate_if_due()
        batches = iter(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training and not self._leaves():
            self.runner.model.train()
            self._seed_generators(self._iter)
            self.run_iter(self._next(batches))
            self._validate_if_due()
        # Now, while Python is in good order: left to the garbage collector, worker processes are
        # waited for in vain, five seconds each.
        del batches
        if self.is_unfinished:
            self.runner.call_hook('before_leaving')
        else:
            self.runner.call_hook('after_train_epoch')
            self.runner.call_hook('after_train')
        return cast(nn.Module, self.runner.model)

    @property
    def is_unfinished(self) -> bool:
        """Tell whether a signal ends it early: before the last iteration, or its validation."""
        left = self._iter < self._max_iters or self.left_validation
        return left and bool(self.runner.is_told_to_stop)

    def _next(self, batches: Iterator[Any]) -> Any:
        """Give the next batch; write a checkpoint before a file that cannot be read ends it all."""
        try:
            return next(batches)
        except BadImageError:
            # Of several processes the others are in the step by now, and a checkpoint needs all.
            if self.runner.world_size == 1 and self._between_steps():
                self.runner.call_hook('before_leaving')
            raise

    def _validate_if_due(self) -> None:
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
            hub = self.runner.message_hub
            before = hub.get_info('evaluated_at', -1)
            hub.update_info('evaluated_at', self._iter)
            try:
                self.runner.val_loop.run()
            except ValidationStopped:
                self.left_validation = True
                hub.update_info('evaluated_at', max(before, 0))
                self.runner.call_hook('after_val_stopped')

    def _leaves(self) -> bool:
        """Tell whether to stop here: not between batches that make up one step."""
        return bool(self.runner.is_told_to_stop) and self._between_steps()

    def _between_steps(self) -> bool:
        return bool(self._iter % self.runner.optim_wrapper._accumulative_counts == 0)

    def repeat(self, batches: Sequence[Any]) -> None:
        """Take the latest step once more, with the same noise: while its last iteration ends.

        Args:
            batches: Of the step.
        """
        wrapper = self.runner.optim_wrapper
        wrapper._inner_count -= len(batches)
        for iteration, batch in enumerate(batches, self._iter + 1 - len(batches)):
            self._seed_generators(iteration)
            self.runner.model.train_step(batch, optim_wrapper=wrapper)

    def _seed_generators(self, iteration: int) -> None:
        seed, shared = (
            int(np.random.SeedSequence((self.runner.seed, iteration, rank)).generate_state(1)[0])
            for rank in (self.runner.rank, 0)
        )
        seed_shared_noise(shared)
        random.seed(seed)
        np.random.seed(seed)
        # torch.manual_seed would visit every kind of device that torch knows, each time.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed(seed)
