"""Whether a training can go on from a checkpoint, asked before anything is written or applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from irbox.engine.checkpoint import check_weights
from irbox.engine.hooks.ema_hook import EMAHook
from irbox.engine.optimizer_state import check_averages, check_optimizer, check_schedulers
from irbox.engine.training_state import check_state


def check_fit(
    checkpoint: Mapping[str, Any],
    origin: str | Path,
    model: nn.Module,
    hooks: Iterable[Any],
    wrapper: Any,
    schedulers: Sequence[Any],
) -> None:
    """Refuse a checkpoint whose state is not that of a training's parts.

    Args:
        checkpoint: As ``read_checkpoint`` gives it, and ``check_resumable`` let it pass.
        origin: Its file, for the message.
        model: Without wrappers.
        hooks: An ``EMAHook`` among them takes averages.
        wrapper: The optimiser wrapper.
        schedulers: The parameter schedulers.

    Raises:
        ValueError: A field is malformed, or does not fit; names it.
    """
    averages = any(isinstance(hook, EMAHook) for hook in hooks)
    if averages != ('ema_state_dict' in checkpoint):
        has, runs = ('without', 'with') if averages else ('with', 'without')
        raise ValueError(
            f'{origin} was trained {has} averaged weights, this run is {runs} them (`ema`). '
            'Resume with the config that it was trained with.'
        )
    check_state(checkpoint, origin)
    check_weights(model, checkpoint['state_dict'], origin)
    if averages:
        check_averages(checkpoint['ema_state_dict'], model, origin)
    check_optimizer(checkpoint['optimizer'], wrapper, origin)
    check_schedulers(checkpoint['param_schedulers'], schedulers, origin)
