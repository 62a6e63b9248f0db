"""When checkpoints are written, and which are kept."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, doc
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from irbox.engine.shards import folder_of
from irbox.engine.work_dir import is_of
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt
from irbox.utils.files import write_text

Kept = Annotated[
    int,
    Ge(2),
    doc('One alone would be lost if a crash interrupts the writing of the next one.'),
]


@HOOKS.register_module()
class CheckpointHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Writes ``iter_N.pth`` regularly, and ``best_SCORE_iter_N.pth`` when a score is the best yet.

    In place of mmengine's hook of this name, which counts epochs by default and deletes an old
    checkpoint before the next one is written: a crash in between, or a next one that is not worth
    keeping, loses the training. Here a file goes when another that is whole and finite has come. A
    file that cannot be deleted is tried again with the next one.

    Args:
        interval: Iterations between checkpoints: a multiple of
            ``optim_wrapper.accumulative_counts``, or half-accumulated gradients would be lost; -1
            writes one at the end only. Where a config gives none it is ``train_cfg.val_interval``.
        max_keep_ckpts: How many to keep, at least 2; -1 keeps all.
        save_best: The score that decides, such as ``mean/psnr`` or ``haze/ssim``; null for none.
        rule: ``greater`` or ``less``: which is better.
        save_last: Write one after the last iteration.

    """

    priority = 'VERY_LOW'
    by_epoch = False

    def __init__(
        self,
        interval: PositiveInt | Literal[-1] = 1000,
        max_keep_ckpts: Kept | Literal[-1] = 2,
        save_best: str | None = 'mean/psnr',
        rule: Literal['greater', 'less'] = 'greater',
        save_last: bool = True,
    ) -> None:
        self.interval = interval
        self.max_keep_ckpts = max_keep_ckpts
        self.save_best = save_best
        self.rule = rule
        self.save_last = save_last

    def before_train(self, runner: Any) -> None:
        """Delete what a run that was killed left to be deleted."""
        self._keep_the_newest(runner)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a checkpoint if it is time."""
        due = self.every_n_train_iters(runner, self.interval)
        if due or (self.save_last and self.is_last_train_iter(runner)):
            self.save(runner, runner.iter + 1)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Write a checkpoint if the score is the best yet.

        Raises:
            ValueError: There is no such score.
        """
        if self.save_best is None:
            return
        if self.save_best not in metrics:
            raise ValueError(
                f'default_hooks.checkpoint.save_best: no score is called {self.save_best!r}. '
                f'There are: {", ".join(metrics)}.'
            )
        infos = runner.message_hub.runtime_info
        greater = self.rule == 'greater'
        score, best = metrics[self.save_best], infos.get('best_score')
        if math.isnan(score) or (
            best is not None and not (score > best if greater else score < best)
        ):
            return
        before = infos.get('best_ckpt')
        name = self.save_best.replace('/', '_')
        path = Path(runner.work_dir, f'best_{name}_iter_{runner.iter}.pth')
        runner.message_hub.update_info('best_score', score)
        runner.message_hub.update_info('best_ckpt', str(path))
        meta = {'epoch': runner.epoch, 'iter': runner.iter}
        runner.save_checkpoint(
            runner.work_dir, path.name, save_optimizer=False, save_param_scheduler=False, meta=meta
        )
        if before is not None and Path(before) != path:
            self._remove(runner, Path(before))
        if 'last_ckpt' in infos:
            # Again, so that it knows of the best one.
            self.save(runner, runner.iter)

    def before_leaving(self, runner: Any) -> None:
        """Write the checkpoint of a training that a signal ends, if there is none of now."""
        kept = runner.message_hub.runtime_info.get('keep_ckpt_ids', ())
        if runner.iter and (not kept or kept[-1] != runner.iter):
            self.save(runner, runner.iter)

    def save(self, runner: Any, iteration: int) -> None:
        """Write the checkpoint of an iteration, then delete those that are too many."""
        hub = runner.message_hub
        path = Path(runner.work_dir, f'iter_{iteration}.pth')
        kept = [one for one in hub.runtime_info.get('keep_ckpt_ids', ()) if one != iteration]
        hub.update_info('keep_ckpt_ids', [*kept, iteration])
        hub.update_info('last_ckpt', str(path))
        meta = {'epoch': runner.epoch, 'iter': iteration}
        runner.save_checkpoint(runner.work_dir, path.name, meta=meta)
        if is_main_process():
            write_text(Path(runner.work_dir, 'last_checkpoint'), str(path))
        self._keep_the_newest(runner)

    def _keep_the_newest(self, runner: Any) -> None:
        written = list(runner.message_hub.runtime_info.get('keep_ckpt_ids', ()))
        if self.max_keep_ckpts < 0 or len(written) <= self.max_keep_ckpts:
            return
        old, kept = written[: -self.max_keep_ckpts], written[-self.max_keep_ckpts :]
        left = [
            one for one in old if not self._remove(runner, Path(runner.work_dir, f'iter_{one}.pth'))
        ]
        runner.message_hub.update_info('keep_ckpt_ids', left + kept)

    def _remove(self, runner: Any, path: Path) -> bool:
        """Delete a file; tells whether it need not be tried again."""
        if not is_main_process():
            return True
        if path.exists() and not is_of(path, runner.identity):
            runner.logger.warning(f'{path} stays: it is not of this run, or cannot be read.')
            return True
        try:
            path.unlink(missing_ok=True)
            if folder_of(path).is_dir():
                shutil.rmtree(folder_of(path))
        except OSError as error:
            runner.logger.warning(f'{path} is not deleted: {error.strerror or error}.')
            return False
        return True
