"""What becomes of a training whose gradient is not finite, or out of all proportion."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from torch import Tensor

from irbox.engine.checkpoint import to_plain
from irbox.engine.leaving import DivergenceError
from irbox.engine.sharding import whole
from irbox.engine.wrapping import unwrapped
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt
from irbox.utils.console import console
from irbox.utils.files import append_line
from irbox.utils.weights import few, write_weights

LIST = 'skipped.jsonl'
LATEST = 'latest_steps'
"""Norm and loss of steps, among the notes of a checkpoint."""
# Names that a warning has room for, and warnings of which each is of interest.
SHOWN, WARNED = 6, 10


@HOOKS.register_module()
class FiniteStepsHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Counts the steps that were left out, and names their files.

    The optimiser wrapper leaves them out: their gradient is not finite, or a spike. A spike is
    repeated, with the same images and noise: where it does not come again the machine erred, and
    the repeated step counts; where it does, the images are to blame.

    Each is a line of ``skipped.jsonl`` in the work dir: the iteration, the norm and the images of
    the step, of all processes. After too many in a row, or where weights themselves are not finite,
    the training ends with exit code 3 and leaves
    ``diverged_iter_N.pt`` to look at: weights, losses, the names of the weights whose gradients
    were bad, and the batch of the first process. It is no checkpoint, and nothing takes it for one.

    Args:
        limit: Steps in a row, of which the last ends the training.

    Raises:
        DivergenceError: It does.
    """

    priority = 'VERY_HIGH'

    def __init__(self, limit: PositiveInt = 20) -> None:
        self.limit = limit
        self.batches: list[Any] = []

    def before_train(self, runner: Any) -> None:
        """Start with the numbers of the training that is resumed."""
        self.batches = []
        infos = runner.message_hub.runtime_info
        guard = getattr(runner.optim_wrapper, 'guard', None)
        if guard is not None:
            guard.remember(infos.get(LATEST, ()))
        self.skipped, self.in_row = (
            int(infos.get(f'skipped_{key}', 0)) for key in ('steps', 'in_row')
        )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Look whether a step was left out."""
        batch = data_batch if isinstance(data_batch, Mapping) else {}
        self.batches.append(data_batch)
        wrapper = runner.optim_wrapper
        if not wrapper.should_update():
            return
        batches, self.batches = self.batches, []
        fault, again = getattr(wrapper, 'fault', None), ''
        if fault is not None and fault.spike:
            runner.train_loop.repeat(batches)
            again = _again(fault, wrapper.fault)
        if getattr(wrapper, 'guard', None) is not None:
            runner.message_hub.update_info(LATEST, [list(one) for one in wrapper.guard.latest])
        if fault is None:
            if self.in_row:
                self._count(runner, self.skipped, 0)
            return
        names = _names(batches)
        iteration = runner.iter + 1
        if wrapper.fault is None:
            if is_main_process():
                runner.logger.warning(f'Iteration {iteration}: {fault.spike}. {again}')
                found = {'iteration': iteration, 'spike': fault.spike, 'again': False}
                append_line(Path(runner.work_dir, LIST), json.dumps(found | {'names': names}))
            return
        fault = wrapper.fault
        self._count(runner, self.skipped + 1, self.in_row + 1)
        model = unwrapped(runner.model)
        spoilt = {id(weight) for weight in fault.spoilt}
        found = {
            'iteration': iteration,
            'spike': fault.spike,
            'again': bool(again),
            'gradient_norm': repr(fault.gradient),
            'names': names,
            'losses': {key: repr(value.detach().item()) for key, value in (outputs or {}).items()},
        }
        # Buffers, too: statistics of a bad batch would stay.
        weights = whole(model.state_dict())
        dead = [key for key, value in weights.items() if not value.isfinite().all()]
        dead += ['weights'] * (not dead and not math.isfinite(fault.weights))
        what = fault.spike or f'the gradient is not finite (norm {fault.gradient!r})'
        if is_main_process():
            append_line(Path(runner.work_dir, LIST), json.dumps(found))
            if self.skipped <= WARNED or self.skipped % 100 == 0:
                runner.logger.warning(_warning(found, what, again, self.skipped))
        if not dead and self.in_row < self.limit:
            return
        path = Path(runner.work_dir, f'diverged_iter_{iteration}.pt')
        if is_main_process():
            bad = [key for key, weight in model.named_parameters() if id(weight) in spoilt]
            state = {'bad_gradients': bad, 'state': weights, 'batch': dict(batch)}
            write_weights(to_plain(found | state), path)
        times = (
            f'{fault.spike}, and steps were left out {self.in_row} times in a row; '
            'optim_wrapper.spikes=null takes them'
            if fault.spike
            else f'the gradient was not finite {self.in_row} times in a row'
        )
        raise DivergenceError(
            f'in iteration {iteration} {f"{few(dead)} were not finite" if dead else times}; {path} '
            f'shows the state, {path.with_name(LIST)} names the images'
        )

    def after_train(self, runner: Any) -> None:
        """Say how many steps were left out."""
        if self.skipped and is_main_process():
            console().print(
                f'{self.skipped} steps were left out, their gradients not finite or spikes: '
                f'{Path(runner.work_dir, LIST)}'
            )

    def _count(self, runner: Any, skipped: int, in_row: int) -> None:
        self.skipped, self.in_row = skipped, in_row
        runner.message_hub.update_info('skipped_steps', skipped)
        runner.message_hub.update_info('skipped_in_row', in_row)


def _names(batches: Sequence[Any]) -> list[str]:
    """List the images of the batches of all processes."""
    named = [one.get('name', ()) for one in batches if isinstance(one, Mapping)]
    mine = list(map(str, itertools.chain.from_iterable(named)))
    return list(itertools.chain.from_iterable(all_gather_object(mine)))


def _again(first: Any, second: Any) -> str:
    """Say what a step that was repeated tells of the first."""
    if second is None:
        return 'It did not come again: the machine erred, and the repeated step was taken.'
    if second.gradient == first.gradient:
        return 'It came again when the step was repeated, the same: these images do it.'
    return 'It came again when the step was repeated, but not the same.'


def _warning(found: Mapping[str, Any], what: str, again: str, count: int) -> str:
    names = found['names']
    shown = ', '.join(names[:SHOWN]) + (', ...' if len(names) > SHOWN else '')
    return (
        f'Iteration {found["iteration"]}: {what}, the step is left out, {count} so far. '
        f'{f"{again} " if again else ""}Images: {shown or "?"}'
    )
