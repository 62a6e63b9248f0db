"""What a training leaves for use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from irbox import __version__
from irbox.config.load_config import config_text
from irbox.engine.checkpoint import frozen_records, write_checkpoint
from irbox.engine.hooks.ema_hook import EMAHook
from irbox.engine.sharding import whole
from irbox.engine.wrapping import unwrapped
from irbox.registry import HOOKS


@HOOKS.register_module()
class FinalWeightsHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Writes ``final.pth`` at the end: the weights to use, and nothing that only a training needs.

    The averaged weights where an ``EMAHook`` keeps them. Frozen priors are not among them. Beside
    ``state_dict`` it holds ``meta``: the config as YAML text, irbox's version, the iterations and
    the seed, and what stands for each frozen prior. It loads with ``torch.load(...,
    weights_only=True)``.

    Args:
        filename: Of the file in the work dir: a plain name that ends in ``.pth``, and none that
            checkpoints have.

    Raises:
        ValueError: It is another.
    """

    priority = 'VERY_LOW'

    def __init__(self, filename: str = 'final.pth') -> None:
        plain = re.fullmatch(r'\w[\w.-]*\.pth', filename)
        if not plain or filename.startswith(('iter_', 'best_')):
            raise ValueError(
                f'filename: {filename!r} must be a plain name that ends in .pth, such as '
                'final.pth, and does not begin like a checkpoint (iter_, best_).'
            )
        self.filename = filename

    def after_train(self, runner: Any) -> None:
        """Write the file."""
        model = unwrapped(runner.model)
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                model = hook.ema_model.module
        state = whole(model.state_dict())
        if not is_main_process():
            return
        meta = {
            'cfg': config_text(runner.cfg),
            'irbox_version': __version__,
            'iter': runner.iter,
            'seed': runner.seed,
            'frozen': frozen_records(model),
            'run': runner.identity,
        }
        path = Path(runner.work_dir, self.filename)
        write_checkpoint({'meta': meta, 'state_dict': state}, path)
        runner.logger.info(f'Wrote {path}')
