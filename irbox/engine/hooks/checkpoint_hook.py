"""When checkpoints are written, and which are kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, doc
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt

Kept = Annotated[
    int,
    Ge(2),
    doc('One alone would be lost if a crash interrupts the writing of the next one.'),
]


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):  # type: ignore[misc]  # mmengine has no types
    """Writes ``iter_N.pth`` regularly, and ``best_SCORE_iter_N.pth`` when a score is the best yet.

    mmengine's hook of this name, which counts epochs by default and may keep a single checkpoint:
    it is deleted before the next one is written, and a crash in between loses the training.

    Args:
        interval: Iterations between checkpoints: a multiple of
            ``optim_wrapper.accumulative_counts``, or half-accumulated gradients would be lost; -1
            writes one at the end only. Where a config gives none it is ``train_cfg.val_interval``.
        max_keep_ckpts: How many to keep, at least 2; -1 keeps all.
        save_best: The score that decides, such as ``mean/psnr`` or ``haze/ssim``; null for none.
        rule: ``greater`` or ``less``: which is better.
        save_last: Write one after the last iteration.

    """

    def __init__(
        self,
        interval: PositiveInt | Literal[-1] = 1000,
        max_keep_ckpts: Kept | Literal[-1] = 2,
        save_best: str | None = 'mean/psnr',
        rule: Literal['greater', 'less'] = 'greater',
        save_last: bool = True,
    ) -> None:
        super().__init__(
            interval=interval,
            by_epoch=False,
            max_keep_ckpts=max_keep_ckpts,
            save_best=save_best,
            rule=rule if save_best else None,
            save_last=save_last,
        )

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Write a checkpoint if the score is the best yet.

        Raises:
            ValueError: There is no such score.
        """
        for name in self.save_best or ():
            if name not in metrics:
                raise ValueError(
                    f'default_hooks.checkpoint.save_best: no score is called {name!r}. There are: '
                    f'{", ".join(metrics)}.'
                )
        super().after_val_epoch(runner, metrics)
