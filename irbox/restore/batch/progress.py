"""Progress of a batch: pictures, megapixels a second, and the time that is left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from irbox.restore.batch.job import Outcome

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class BatchProgress:
    """Shows how far a batch is: a bar on a terminal, a line now and then elsewhere.

    Args:
        total: Pictures.
        console: Where to show it; standard error, since pictures may go to standard output.
    """

    def __init__(self, total: int, console: Console) -> None:
        self.total, self.console = total, console
        self._done, self._share, self._megapixels = 0, 0.0, 0.0
        self._start = self._said = time.perf_counter()
        self._bar = Progress(
            TextColumn('restoring'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[rate]}'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task('', total=total, rate='')

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def share(self, share: float) -> None:
        """Take note of how much of the picture at hand is done, 0 to 1."""
        self._share = share
        self._show()

    def picture(self, outcome: Outcome) -> None:
        """Take note of a picture that is done or has failed."""
        self._done += 1
        self._share = 0.0
        self._megapixels += outcome.megapixels
        self._show()

    def _show(self) -> None:
        now = time.perf_counter()
        rate = self._megapixels / max(now - self._start, 1e-9)
        text = f'{rate:.3g} MP/s' if self._megapixels else ''
        self._bar.update(self._task, completed=self._done + self._share, rate=text)
        last = self._done == self.total
        if not self.console.is_terminal and (now - self._said >= EVERY or last):
            self._said = now
            self.console.print(f'restoring {self._done}/{self.total} {text}{self._left(now)}')

    def _left(self, now: float) -> str:
        done = self._done + self._share
        if not done or self._done == self.total:
            return ''
        seconds = (now - self._start) / done * (self.total - done)
        return f', {seconds / 60:.0f} min left' if seconds >= 90 else f', {seconds:.0f} s left'
