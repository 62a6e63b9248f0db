"""Schedules that are longer than their training, made as short."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

# A schedule that ends with its training, however long that is, says how long its warm-up takes and
# not of how much: a tenth of the training, as in M2IR's (15 of 150 epochs).
WARM_UPS = 10
DURATIONS = ('T_max', 'step_size', 'total_steps')
# Fewer have no room for a warm-up, which takes two iterations: mmengine's reaches the full learning
# rate in its last, and one of a single iteration would leave the training at the rate it began at.
SHORTEST_WARM_UP = 2


def shorten_schedule(config: Config) -> list[str]:
    """Scale a schedule with a training that is over before all of it has begun.

    What must have begun are each scheduler, each milestone and the full learning rate at the end of
    a warm-up. A cosine may be cut off: published trainings do so on purpose. The schedule's own
    length is where its last decay ends, or its second step of ``step_size``; where that is left to
    the training, ten times its warm-up. Of ``EMAHook``, ``begin_iter`` is scaled and ``warm_up`` is
    not: the average forgets by a share of the iterations so far, and fits any length.

    Args:
        config: With everything in iterations; ``param_scheduler``, ``train_cfg`` and the intervals
            of hooks are changed in place. One whose schedule fits is not touched.

    Returns:
        What was changed, in one sentence, or nothing.
    """
    configured = config.get('param_scheduler') or []
    schedulers = list(configured) if isinstance(configured, list) else [configured]
    iterations = config.train_cfg.max_iters
    last = max((turn for scheduler in schedulers for turn in _turns(scheduler)), default=0)
    if last < iterations:
        return []
    length = max((end for scheduler in schedulers for end in _decay_ends(scheduler)), default=0)
    scale = _Scale(iterations, length if length > last else WARM_UPS * last)
    kept = [scheduler for scheduler in schedulers if scale.scheduler(scheduler)]
    if len(kept) < len(schedulers):
        config.param_scheduler = kept or None
    _shorten_intervals(config, scale)
    counted = '1 iteration' if iterations == 1 else f'{iterations} iterations'
    return [
        f'The schedule, longer than the training, is scaled to {counted}: '
        f'{", ".join(scale.changes)}.'
    ]


class _Scale:
    """Scales iterations of a schedule, and notes what became of them."""

    def __init__(self, iterations: int, length: float) -> None:
        self.iterations, self.length = iterations, length
        self.factor = iterations / length
        self.changes: list[str] = []

    def scheduler(self, scheduler: Any) -> bool:
        """Scale a scheduler in place; whether any of it is left."""
        begin = self.boundary(scheduler.get('begin', 0))
        end = _finite(scheduler.get('end'))
        if end is not None and self.boundary(end) <= begin:
            self.changes.append(f'no {scheduler.type}')
            return False
        if 'begin' in scheduler:
            self.set(scheduler, 'begin', begin)
        if end is not None:
            self.set(scheduler, 'end', self.boundary(end))
        for key in DURATIONS:
            if scheduler.get(key) is not None:
                self.set(scheduler, key, self.duration(scheduler[key]))
        for key in ('milestones', 'periods'):
            if scheduler.get(key) is not None:
                self.set(scheduler, key, [self.duration(value) for value in scheduler[key]])
        if scheduler.get('iterations_per_epoch') is not None:
            self.set(
                scheduler, 'iterations_per_epoch', self.factor * scheduler.iterations_per_epoch
            )
        return True

    def boundary(self, iteration: int) -> int:
        """Scale the point where one scheduler hands over to the next."""
        if iteration >= self.length:
            return self.iterations
        if iteration == 0 or self.iterations <= SHORTEST_WARM_UP:
            return 0
        scaled = max(SHORTEST_WARM_UP, round(self.factor * iteration))
        return min(scaled, self.iterations - 1)

    def duration(self, iterations: int) -> int:
        """Scale a stretch of the schedule, counted from where its scheduler begins."""
        return max(1, math.floor(round(self.factor * iterations, 6)))

    def set(self, owner: Any, key: str, value: Any, name: str | None = None) -> None:
        """Change a value, and note it."""
        if owner[key] != value:
            shown = [f'{one:.6g}' if isinstance(one, float) else one for one in (owner[key], value)]
            self.changes.append(f'{name or owner.type} {key} {shown[0]} -> {shown[1]}')
            owner[key] = value


def _finite(value: Any) -> Any:
    """A number of iterations; None where it is mmengine's infinity."""
    return value if value is not None and value < int(1e9) else None


def _rises(scheduler: Mapping[str, Any]) -> bool:
    """Whether a scheduler is a warm-up: after its end comes what the training is about."""
    linear = scheduler['type'].startswith('Linear')
    factor = scheduler.get('start_factor', 1 / 3)
    return bool(
        scheduler['type'].startswith('Constant')
        or (linear and factor < scheduler.get('end_factor', 1))
    )


def _turns(scheduler: Mapping[str, Any]) -> Iterator[float]:
    """Iterations at which something new must have begun."""
    begin = scheduler.get('begin', 0)
    yield begin
    yield from (begin + milestone for milestone in scheduler.get('milestones') or ())
    if scheduler.get('step_size') is not None:
        yield begin + scheduler['step_size']
    if _rises(scheduler) and _finite(scheduler.get('end')) is not None:
        yield scheduler['end'] - 1
    if 'iterations_per_epoch' in scheduler:
        late = 1 if scheduler.get('indexed', True) else 0
        yield begin + (scheduler['warm_up'] - 1 + late) * scheduler['iterations_per_epoch']


def _decay_ends(scheduler: Mapping[str, Any]) -> Iterator[float]:
    """Iterations at which a decay is over, as far as the schedule says so."""
    begin = scheduler.get('begin', 0)
    yield from (begin + milestone + 1 for milestone in scheduler.get('milestones') or ())
    if scheduler.get('step_size') is not None:
        # Its steps never end; shortened, a training has the first of its decays.
        yield begin + 2 * scheduler['step_size']
    for key in ('T_max', 'total_steps'):
        if scheduler.get(key) is not None:
            yield begin + scheduler[key]
    if scheduler.get('periods'):
        yield begin + sum(scheduler['periods'])
    if not _rises(scheduler) and _finite(scheduler.get('end')) is not None:
        yield scheduler['end']
    if 'iterations_per_epoch' in scheduler:
        yield begin + scheduler['cosine_end'] * scheduler['iterations_per_epoch']


def _shorten_intervals(config: Config, scale: _Scale) -> None:
    """Let what happens now and then happen at the end, and what begins late begin in time."""
    counts = config.optim_wrapper.get('accumulative_counts', 1)
    whole = math.ceil(scale.iterations / counts) * counts
    hooks = config.get('default_hooks') or {}
    for owner, key, name, most in (
        (config.train_cfg, 'val_interval', 'train_cfg', whole),
        (hooks.get('checkpoint'), 'interval', 'checkpoint', whole),
        (hooks.get('logger'), 'interval', 'logger', scale.iterations),
    ):
        if owner and owner.get(key) is not None:
            scale.set(owner, key, min(owner[key], most), name)
    for owner, key, name in (
        (config.train_cfg, 'val_begin', 'train_cfg'),
        (config.get('ema'), 'begin_iter', 'ema'),
    ):
        if owner and owner.get(key):
            scale.set(owner, key, scale.duration(owner[key]), name)
