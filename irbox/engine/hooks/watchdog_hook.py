"""The end of a training that hangs."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook

from irbox.engine import watch
from irbox.registry import HOOKS
from irbox.utils.bounded import NonNegativeFloat

NEVER = float('inf')
# Steps that are not timed: something may be compiled in them, in the second after a validation.
FIRST, AFTER_VALIDATION = 10, 2
STEPS, TIMES = 100, 10


@HOOKS.register_module()
class WatchdogHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Ends a process whose training step takes ten times the median, so that others need not wait.

    What hangs says nothing by itself: a disk that is gone, a process that waits for another one, a
    lock. A small process beside each of the training (``irbox.engine.watch``) names the iteration,
    lets the tracebacks of all threads be written to the error stream, and kills the training, whose
    checkpoints are as they were. A launcher then ends the other processes; a queue starts it anew.

    Nothing is watched where a person sits before a training of one process (its input is a
    terminal), who may use a debugger; in the first steps, validations and saving; and while the
    process is held by SIGSTOP. Needs signals, so not on Windows.

    Args:
        least: Seconds that a step may take in any case.
        always: Watch also where a person sits before it.
    """

    priority = 'VERY_HIGH'

    def __init__(self, least: NonNegativeFloat = 60.0, always: bool = False) -> None:
        self.least, self.always = least, always
        self.watcher: subprocess.Popen[bytes] | None = None
        self.times: deque[float] = deque(maxlen=STEPS)
        self.left, self.began = FIRST, 0.0

    def before_train(self, runner: Any) -> None:
        """Start the process that watches."""
        watched = self.always or get_world_size() > 1 or not sys.stdin or not sys.stdin.isatty()
        if not watched or watch.TRACEBACKS is None:
            return
        # To the stream itself: `sys.stderr` may have been replaced by something without a number.
        faulthandler.register(watch.TRACEBACKS, file=2, all_threads=True)
        program = [sys.executable, '-S', '-E', str(Path(watch.__file__)), str(os.getpid())]
        self.watcher = subprocess.Popen(program, stdin=subprocess.PIPE, start_new_session=True)
        assert self.watcher.stdin is not None
        os.set_blocking(self.watcher.stdin.fileno(), False)
        self.left, self.began = FIRST, time.perf_counter()

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        """Say that it goes on, and how long the next step may take."""
        now = time.perf_counter()
        took, self.began = now - self.began, now
        if self.left:
            self.left -= 1
            return
        self.times.append(took)
        self._say(runner, max(self.least, TIMES * median(self.times)))

    def before_val(self, runner: Any) -> None:
        """Wait without a limit: nobody knows what an image of a validation takes."""
        self._say(runner, NEVER)

    def after_val(self, runner: Any) -> None:
        """Begin anew."""
        self.left, self.began = max(self.left, AFTER_VALIDATION), time.perf_counter()

    def before_saving(self, runner: Any) -> None:
        """Wait without a limit: disks differ."""
        self._say(runner, NEVER)
        self.left = max(self.left, 1)

    def on_exit(self, runner: Any) -> None:
        """Let the process end."""
        watcher, self.watcher = self.watcher, None
        if watcher is not None and watcher.stdin is not None:
            # A loader process may hold its end of the pipe: it would not see that ours is closed.
            watcher.kill()
            watcher.stdin.close()
            watcher.wait()

    def _say(self, runner: Any, limit: float) -> None:
        if self.watcher is None or self.watcher.stdin is None:
            return
        text = f'{limit} Process {get_rank()}, iteration {runner.iter + 2}\n'
        try:
            os.write(self.watcher.stdin.fileno(), text.encode())
        except BlockingIOError:
            pass  # somebody holds it: the training does not wait for it
        except OSError:
            self.watcher = None  # somebody ended it: the training goes on by itself
