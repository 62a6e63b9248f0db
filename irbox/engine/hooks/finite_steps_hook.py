"""What becomes of a training whose gradient is not finite."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor

from irbox.engine.checkpoint import to_plain
from irbox.engine.leaving import DivergenceError
from irbox.engine.sharding import whole
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt
from irbox.utils.console import console
from irbox.utils.files import append_line
from irbox.utils.weights import few, write_weights

LIST = 'skipped.jsonl'
# Names that a warning has room for, and warnings of which each is of interest.
SHOWN, WARNED = 6, 10


@HOOKS.register_module()
class FiniteStepsHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Counts the steps that were left out for a gradient that is not finite, and names their files.

    The optimiser wrapper leaves them out. Each is a line of ``skipped.jsonl`` in the work dir: the
    iteration, the norm and the images of the step, of all processes. After too many in a row, or
    where weights themselves are not finite, the training ends with exit code 3 and leaves
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
        self.names: list[str] = []

    def before_train(self, runner: Any) -> None:
        """Start with the numbers of the training that is resumed."""
        self.names = []
        infos = runner.message_hub.runtime_info
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
        self.names += map(str, batch.get('name', ()))
        wrapper = runner.optim_wrapper
        if not wrapper.should_update():
            return
        names, self.names = self.names, []
        fault = getattr(wrapper, 'fault', None)
        if fault is None:
            if self.in_row:
                self._count(runner, self.skipped, 0)
            return
        names = list(itertools.chain.from_iterable(all_gather_object(names)))
        iteration = runner.iter + 1
        self._count(runner, self.skipped + 1, self.in_row + 1)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        spoilt = {id(weight) for weight in fault.spoilt}
        found = {
            'iteration': iteration,
            'gradient_norm': repr(fault.gradient),
            'names': names,
            'losses': {key: repr(value.detach().item()) for key, value in (outputs or {}).items()},
        }
        # Buffers, too: statistics of a bad batch would stay.
        weights = whole(model.state_dict())
        dead = [key for key, value in weights.items() if not value.isfinite().all()]
        dead += ['weights'] * (not dead and not math.isfinite(fault.weights))
        if is_main_process():
            append_line(Path(runner.work_dir, LIST), json.dumps(found))
            if self.skipped <= WARNED or self.skipped % 100 == 0:
                runner.logger.warning(_warning(found, self.skipped))
        if not dead and self.in_row < self.limit:
            return
        path = Path(runner.work_dir, f'diverged_iter_{iteration}.pt')
        if is_main_process():
            bad = [key for key, weight in model.named_parameters() if id(weight) in spoilt]
            state = {'bad_gradients': bad, 'state': weights, 'batch': dict(batch)}
            write_weights(to_plain(found | state), path)
        times = f'the gradient was not finite {self.in_row} times in a row'
        raise DivergenceError(
            f'in iteration {iteration} {f"{few(dead)} were not finite" if dead else times}; {path} '
            f'shows the state, {path.with_name(LIST)} names the images'
        )

    def after_train(self, runner: Any) -> None:
        """Say how many steps were left out."""
        if self.skipped and is_main_process():
            console().print(
                f'{self.skipped} steps were left out, their gradients not finite: '
                f'{Path(runner.work_dir, LIST)}'
            )

    def _count(self, runner: Any, skipped: int, in_row: int) -> None:
        self.skipped, self.in_row = skipped, in_row
        runner.message_hub.update_info('skipped_steps', skipped)
        runner.message_hub.update_info('skipped_in_row', in_row)


def _warning(found: Mapping[str, Any], count: int) -> str:
    names = found['names']
    shown = ', '.join(names[:SHOWN]) + (', ...' if len(names) > SHOWN else '')
    return (
        f'Iteration {found["iteration"]}: the gradient is not finite (norm '
        f'{found["gradient_norm"]}), the step is left out, {count} so far. Images: {shown or "?"}'
    )
