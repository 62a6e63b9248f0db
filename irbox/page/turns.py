"""One restoration at a time on each device; the others wait in the order in which they came."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL = 0.25
"""Seconds between two looks at whether somebody who waits has left."""


class TooBusyError(ValueError):
    """Says that too many wait already."""

    REMEDY = 'Try again later.'


class Cancelled(Exception):  # noqa: N818  # it is no error
    """Ends a restoration that nobody wants any more."""


class Turns:
    """One restoration at a time on each device; the others wait in the order in which they came.

    Args:
        most_waiting: Who comes when so many wait is sent away.
    """

    def __init__(self, most_waiting: int) -> None:
        self.most_waiting = most_waiting
        self._changed = threading.Condition()
        self._queues: dict[str, deque[object]] = defaultdict(deque)

    @contextmanager
    def turn(
        self,
        device: str,
        place: Callable[[int], None] = lambda before: None,
        stop: threading.Event | None = None,
    ) -> Iterator[None]:
        """Wait for a device, and hold it.

        Args:
            device: Its name.
            place: Told how many are before, when one waits and whenever that changes.
            stop: Once set, waiting ends.

        Raises:
            TooBusyError: Too many wait.
            Cancelled: ``stop`` was set.
        """
        ticket, told = object(), -1
        with self._changed:
            queue = self._queues[device]
            if len(queue) > self.most_waiting:
                waiting = len(queue) - 1
                raise TooBusyError(
                    f'{waiting} pictures wait already, and no more may. {TooBusyError.REMEDY}'
                )
            queue.append(ticket)
        try:
            while True:
                with self._changed:
                    before = queue.index(ticket)
                    if before and before == told:
                        self._changed.wait(POLL)
                        before = queue.index(ticket)
                if stop is not None and stop.is_set():
                    raise Cancelled
                if not before:
                    break
                if before != told:
                    # Outside of the lock: it may take its time, or raise.
                    place(before)
                    told = before
            yield
        finally:
            with self._changed:
                queue.remove(ticket)
                self._changed.notify_all()

    def lengths(self) -> dict[str, int]:
        """Count who works or waits, by device."""
        with self._changed:
            return {device: len(queue) for device, queue in self._queues.items()}
