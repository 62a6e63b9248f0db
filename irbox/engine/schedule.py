"""A training's length and intervals, in iterations, whatever a config gives them in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mmengine.config import Config

from irbox.engine.shorten_schedule import shorten_schedule
from irbox.registry import PARAM_SCHEDULERS, find_part
from irbox.utils.part_arguments import arguments_of

# What a parameter scheduler may count in epochs.
TIMES = ('begin', 'end', 'T_max', 'step_size', 'milestones')
DEFAULT_VAL_INTERVAL = 1000


def to_iterations(config: Config, samples: int, world_size: int) -> list[str]:
    """Replace epochs by iterations, fill in intervals, and check that they fit together.

    An epoch is as many samples as the training set has, whoever draws them. ``train_cfg`` counts
    epochs where it has ``max_epochs`` (its ``val_interval`` then, too), a parameter scheduler where
    it says ``by_epoch: true``, the checkpoint hook likewise. A cosine in epochs reaches its end at
    the last iteration (mmengine's would do so one later), and a scheduler whose shape is one of
    epochs (``EpochWarmUpCosineLR``) is told how long they are. A schedule that is longer than the
    training is scaled with it, see ``shorten_schedule``.

    Args:
        config: Changed in place: ``train_cfg``, ``param_scheduler`` and
            ``default_hooks.checkpoint``.
        samples: Length of the training set.
        world_size: Number of processes.

    Returns:
        What was converted and scaled, a sentence each, for the log.

    Raises:
        ValueError: An interval does not fit the gradient accumulation, a scheduler cannot be
            converted, or follows a score.
    """
    batch: int = config.train_dataloader.get('batch_size', 1) * world_size
    counts: int = config.optim_wrapper.get('accumulative_counts', 1)
    per_epoch = samples / batch
    notes = []

    def convert(epochs: float, multiple: int = 1) -> int:
        return max(1, math.ceil(round(epochs * per_epoch / multiple, 6))) * multiple

    train = config.train_cfg
    if 'max_epochs' in train:
        epochs = train.pop('max_epochs')
        train.max_iters = convert(epochs)
        train.val_interval = convert(train.get('val_interval', 1), counts)
        notes.append(
            f'{epochs} epochs of {samples} samples at {batch} per iteration are '
            f'{train.max_iters} iterations, with a validation every {train.val_interval}.'
        )
    train.setdefault('val_interval', DEFAULT_VAL_INTERVAL)

    checkpoint = (config.get('default_hooks') or {}).get('checkpoint')
    if checkpoint is not None:
        if checkpoint.pop('by_epoch', False):
            checkpoint.interval = convert(checkpoint.get('interval', 1), counts)
            notes.append(f'Checkpoints are written every {checkpoint.interval} iterations.')
        checkpoint.setdefault('interval', train.val_interval)

    schedulers = config.get('param_scheduler') or []
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    until_the_last = []
    for index, scheduler in enumerate(schedulers):
        if scheduler.type.startswith('ReduceOnPlateau'):
            raise ValueError(
                f'param_scheduler.{index}: {scheduler.type} follows a score at the end of each '
                'epoch, and a training by iterations has none. Take a schedule that is known '
                'beforehand, such as CosineAnnealingLR.'
            )
        scheduler.pop('convert_to_iter_based', None)
        if 'iterations_per_epoch' in arguments_of(find_part(scheduler.type, PARAM_SCHEDULERS))[0]:
            scheduler.setdefault('iterations_per_epoch', per_epoch)
            notes.append(
                f'{scheduler.type} changes every {scheduler.iterations_per_epoch:.6g} iterations.'
            )
        elif scheduler.get('by_epoch', False):
            notes.append(_scheduler_to_iterations(scheduler, index, convert))
            if scheduler.type.startswith('CosineAnnealing') and 'T_max' not in scheduler:
                until_the_last.append(scheduler)
        # mmengine's default counts epochs, of which a training by iteration has one.
        scheduler.by_epoch = False
    notes += shorten_schedule(config)
    for scheduler in until_the_last:
        end = scheduler.get('end', train.max_iters)
        scheduler.T_max = max(1, end - scheduler.get('begin', 0) - 1)
    _check_intervals(config, counts)
    return notes


def beyond_the_schedule(
    schedulers: Iterable[Any], iteration: int, max_iters: int, rates: Iterable[float]
) -> str:
    """Describe how a training goes on that is longer than the schedule that it was begun with.

    Args:
        schedulers: Built, and resumed.
        iteration: The one that the training goes on after.
        max_iters: How long it is.
        rates: Learning rates at that iteration.

    Returns:
        A sentence; '' where the schedule is as long as the training.
    """
    end = max((scheduler.end for scheduler in schedulers), default=math.inf)
    if end >= max_iters:
        return ''
    if iteration >= end:
        shown = ' and '.join(dict.fromkeys(f'{rate:.3g}' for rate in rates))
        return (
            f'The schedule ended at iteration {end}: the training goes on to {max_iters} at a '
            f'learning rate of {shown}.'
        )
    return (
        f'The schedule goes on to iteration {end}, as it was begun; from there to {max_iters} the '
        'learning rate stays.'
    )


def _scheduler_to_iterations(scheduler: Any, index: int, convert: Any) -> str:
    if scheduler.type.startswith(('Exponential', 'Poly')):
        raise ValueError(
            f'param_scheduler.{index}: {scheduler.type} changes with each step and cannot be '
            'turned from epochs into iterations. Give it in iterations, with by_epoch: false.'
        )
    for key in TIMES:
        value = scheduler.get(key)
        if isinstance(value, (list, tuple)):
            scheduler[key] = [convert(item) for item in value]
        elif isinstance(value, (int, float)) and 0 < value < math.inf:
            scheduler[key] = convert(value)
    given = ', '.join(f'{key} {scheduler[key]}' for key in TIMES if scheduler.get(key) is not None)
    return f'{scheduler.type} counts iterations: {given or "to the end"}.'


def _check_intervals(config: Config, counts: int) -> None:
    """A checkpoint inside an accumulation would lose the gradients gathered so far."""
    intervals = {'train_cfg.val_interval': config.train_cfg.val_interval}
    checkpoint = (config.get('default_hooks') or {}).get('checkpoint')
    if checkpoint is not None and checkpoint.interval != -1:
        intervals['default_hooks.checkpoint.interval'] = checkpoint.interval
    for name, interval in intervals.items():
        if interval % counts:
            raise ValueError(
                f'{name}={interval} must be a multiple of optim_wrapper.accumulative_counts='
                f'{counts}: checkpoints are written there, and half-accumulated gradients would be '
                f'lost. Take {max(counts, round(interval / counts) * counts)}.'
            )
