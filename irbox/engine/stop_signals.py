"""Signals that end a training, with a checkpoint of where it was."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from irbox.engine.slurm import seconds_left

# A shell's codes: 128 and the number of the signal. Schedulers send SIGTERM or, when asked to,
# SIGUSR1 or SIGUSR2 some time before they kill.
SCHEDULERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
CODES = dict.fromkeys(SCHEDULERS, 143) | {signal.SIGINT: 130}


class StopSignals:
    """Notes, while inside, that the process was told to end; what else would happen then waits.

    The training looks at ``received`` after each iteration. A second SIGINT (Ctrl-C) ends it at
    once; files are written whole or not at all even then.

    The end of a job that is known is noted like a signal, some time before it.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.process = os.getpid()
        self._before: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    @property
    def code(self) -> int:
        """Give the exit code; 143 where another process was told."""
        return CODES.get(signal.Signals(self.received or signal.SIGTERM), 143)

    def __enter__(self) -> Self:
        # Elsewhere Python lets nobody handle signals.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in CODES}
        left = seconds_left()
        if left is not None:
            self._timer = threading.Timer(left, self._note_end)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # a copy of this process that reads data: its parent ends it
        if number == signal.SIGINT and self.received == number:
            raise KeyboardInterrupt
        self.received = number
        name = signal.Signals(number).name
        # No print: it may have been printing that was interrupted.
        os.write(2, f'{name}: the training writes a checkpoint and leaves.\n'.encode())

    def _note_end(self) -> None:
        self.received = self.received or signal.SIGTERM
        os.write(2, b'The time of the job ends: the training writes a checkpoint and leaves.\n')


class ShieldedWorker:
    """Starts a loader's worker so that the signal which tells all processes to end spares it once.

    Schedulers send it to workers, too; without them the iteration that goes on could not be ended.

    Args:
        then: What else a worker does at its start.
    """

    def __init__(self, then: Callable[[int], Any] | None) -> None:
        self.then = then

    def __call__(self, worker_id: int) -> None:
        """Start."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in SCHEDULERS:
            # The second time it is meant, such as by the loader that ends its workers.
            signal.signal(number, lambda got, _: signal.signal(got, signal.SIG_DFL))
        if self.then is not None:
            self.then(worker_id)
