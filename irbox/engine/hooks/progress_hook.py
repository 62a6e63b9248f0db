"""How far a training or test is, on the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from irbox.evaluation.tables import MEAN
from irbox.registry import HOOKS
from irbox.utils.bounded import NonNegativeFloat
from irbox.utils.console import console


@HOOKS.register_module()
class ProgressHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """A bar with the time left, the loss, the learning rate and the speed; scores as they come.

    Where the output is no terminal it prints a line now and then instead.

    Args:
        interval: Seconds between such lines.
    """

    priority = 'LOWEST'

    def __init__(self, interval: NonNegativeFloat = 30) -> None:
        self.interval = interval
        self.console = console()
        self.progress: Progress | None = None
        self.bars: dict[str, TaskID] = {}
        self.counts: dict[str, int] = {}
        self.begun: set[str] = set()
        self.last_line = 0.0
        self.clock = _Clock()

    def before_train(self, runner: Any) -> None:
        """Begin the bar of the training."""
        self.clock = _Clock()
        self._open('train', runner.max_iters, runner.iter)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance it."""
        done = runner.iter + 1
        self.clock.step()
        if self._is_silent(done == runner.max_iters):
            return
        left = self.clock.left(
            runner.max_iters - done, runner.val_interval if runner.val_loop else 0
        )
        parts = [f'{name} {value}' for name, value in _state(runner).items()]
        parts += [f'{self.clock.speed:.3g} it/s', f'{_duration(left)} left']
        self._show('train', done, runner.max_iters, ', ' + ', '.join(parts))

    def before_val(self, runner: Any) -> None:
        """Begin the bar of a validation."""
        self.clock.pause()
        self._open('validate', runner.val_loop.num_batches)

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance it."""
        self._evaluated('validate', runner.val_loop)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Print the scores."""
        self._close('validate')
        if is_main_process():
            text = f'iteration {runner.iter}: {_summary(metrics or {})}'
            (self.progress.console if self.progress else self.console).print(text)
        self.clock.resume()

    def before_test(self, runner: Any) -> None:
        """Begin the bar of a test."""
        self._open('test', runner.test_loop.num_batches)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance it."""
        self._evaluated('test', runner.test_loop)

    def on_exit(self, runner: Any) -> None:
        """Leave the terminal as it was, after an error too."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
        self.bars.clear()

    def _open(self, name: str, total: int, done: int = 0) -> None:
        self.counts[name] = 0
        self.begun.discard(name)
        if name != 'train':  # whose first line comes at once: it moves
            self.last_line = time.monotonic()
        if not is_main_process() or not self.console.is_terminal:
            return
        if self.progress is None:
            self.progress = Progress(
                TextColumn('{task.description}'),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn('{task.fields[state]}', markup=False),
                console=self.console,
                refresh_per_second=4,
            )
            self.progress.start()
        self.bars[name] = self.progress.add_task(name, total=total, completed=done, state='')

    def _close(self, name: str) -> None:
        if self.progress is not None and name in self.bars:
            self.progress.remove_task(self.bars.pop(name))

    def _is_silent(self, last: bool) -> bool:
        """Whether there is nobody to tell, or it is too early for the next line."""
        if not is_main_process():
            return True
        now = time.monotonic()
        # Reading the losses for a bar more than ten times a second is wasted.
        wait = 0.1 if self.progress is not None else self.interval
        if now - self.last_line < wait and not last:
            return True
        self.last_line = now
        return False

    def _show(self, name: str, done: int, total: int, state: str) -> None:
        if self.progress is not None:
            self.progress.update(self.bars[name], completed=done, state=state.removeprefix(', '))
        else:
            self.begun.add(name)
            self.console.print(f'{name} {done}/{total}{state}')

    def _evaluated(self, name: str, loop: Any) -> None:
        self.counts[name] += 1
        # In a file, a test ends with its last image; so does a validation of which a line stands
        # there, while its scores tell the end of a short one.
        told = self.progress is not None or name == 'test' or name in self.begun
        if not self._is_silent(told and self.counts[name] == loop.num_batches):
            state = f', {loop.current_set}' if loop.current_set else ''
            self._show(name, self.counts[name], loop.num_batches, state)


class _Clock:
    """How fast a training is, its validations aside."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.steps = 0
        self.validations = 0
        self.paused = 0.0
        self.paused_at = 0.0

    def step(self) -> None:
        self.steps += 1

    def pause(self) -> None:
        self.paused_at = time.monotonic()

    def resume(self) -> None:
        self.paused += time.monotonic() - self.paused_at
        self.validations += 1

    @property
    def speed(self) -> float:
        """Give the iterations per second of training."""
        return self.steps / max(time.monotonic() - self.begin - self.paused, 1e-9)

    def left(self, iterations: int, val_interval: int) -> float:
        """Estimate the seconds that are left, validations included as far as one was seen."""
        seconds = iterations / max(self.speed, 1e-9)
        if val_interval and self.validations:
            seconds += self.paused / self.validations * -(-iterations // val_interval)
        return seconds


def _state(runner: Any) -> dict[str, str]:
    scalars = runner.message_hub.log_scalars
    state = {}
    if 'train/loss' in scalars:
        state['loss'] = f'{scalars["train/loss"].mean(50):.4g}'
    if 'train/lr' in scalars:
        state['lr'] = f'{scalars["train/lr"].current():.2e}'
    return state


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _summary(metrics: Mapping[str, float]) -> str:
    """Tell in one line: the mean, other metrics' means, then what each task gained."""
    psnr = {
        key.removesuffix('/psnr'): (
            value,
            value - metrics[f'{key.removesuffix("/psnr")}/input_psnr'],
        )
        for key, value in metrics.items()
        if key.endswith('/psnr') and f'{key.removesuffix("/psnr")}/input_psnr' in metrics
    }
    if MEAN not in psnr:
        return ', '.join(f'{key} {value:.4g}' for key, value in metrics.items())
    value, gain = psnr.pop(MEAN)
    tasks = ', '.join(f'{task} {gained:+.2f}' for task, (_, gained) in psnr.items())
    others = [
        f', {key.removeprefix(f"{MEAN}/")} {value:.4g}'
        for key, value in metrics.items()
        if key.startswith(f'{MEAN}/') and not re.search(r'/(input_.*|psnr|ssim|.*@.*)$', key)
    ]
    return f'mean PSNR {value:.2f} dB ({gain:+.2f}){"".join(others)}: {tasks}'
