"""What a training says of images that it could not use."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, get_rank, is_main_process
from mmengine.hooks import Hook

from irbox.registry import HOOKS
from irbox.utils.console import console
from irbox.utils.files import append_line

LIST = 'bad_samples.jsonl'
# Images that the sentence at the end has room for.
SHOWN = 10


@HOOKS.register_module()
class BadSamplesHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Counts the samples that ``on_bad_sample: skip`` left out, and names them.

    Each is a line of ``bad_samples.jsonl`` in the work dir, of all processes: the iteration, the
    process, the place in its batch, the number of the draw for this place and what was wrong. The
    first with each image is a warning; at the end of the training all are counted and named, also
    those from before a resume.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Start with nothing said."""
        self.said: set[str] = set()

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: MutableMapping[str, Any] | None = None
    ) -> None:
        """Take what the data set said out of the batch, and write it down."""
        if not isinstance(data_batch, MutableMapping):
            return
        for place, text in enumerate(data_batch.pop('skipped', ())):
            for number, problem in enumerate(text.splitlines(), 1):
                where = {'iteration': runner.iter + 1, 'process': get_rank(), 'sample': place}
                line = json.dumps(where | {'draw': number, 'problem': problem})
                append_line(Path(runner.work_dir, LIST), line)
                if problem not in self.said:
                    self.said.add(problem)
                    runner.logger.warning(
                        f'Iteration {runner.iter + 1}: another pair of the label is drawn in '
                        f'place of one. {problem}'
                    )

    def after_train(self, runner: Any) -> None:
        """Say how many samples were left out, and for which images."""
        barrier()
        path = Path(runner.work_dir, LIST)
        if not is_main_process() or not path.exists():
            return
        # What is done again after a resume is the same line once more.
        lines = set(path.read_text(encoding='utf-8').splitlines())
        told = [problem for line in lines if (problem := _problem(line))]
        problems = sorted(set(told))
        console().print(
            f'{len(told)} samples were left out, of {len(problems)} images that could not be '
            f'used: {path}'
        )
        for problem in problems[:SHOWN]:
            console().print(f'  {problem}')
        if len(problems) > SHOWN:
            console().print(f'  ... and {len(problems) - SHOWN} more')


def _problem(line: str) -> str:
    """Read a line; one that a kill cut short says nothing."""
    try:
        problem: str = json.loads(line)['problem']
    except ValueError:
        return ''
    return problem
