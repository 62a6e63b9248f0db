"""Who is on the page, and what is kept of each: a folder of their own that goes with them."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irbox.page.turns import Cancelled

SOON = 60.0
"""Seconds in which an answer is fetched."""


@dataclass
class Visitor:
    """One visitor: a folder, what was restored last, and whether to stop."""

    folder: Path
    done: list[Any] = field(default_factory=list)
    """The last call's ``Finished``."""
    files: list[Path] = field(default_factory=list)
    """As uploaded, what ``done`` was made of, those that failed too."""
    beside: list[Any] = field(default_factory=list)
    """Likewise, of the second of two models side by side."""
    inside: Any = None
    """What was looked at last: an ``Inside``."""
    part: Any = None
    """The part that was restored last, to do it anew: picture, point and settings."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends what is computed now."""
    newest: threading.Event = field(default_factory=threading.Event)
    """Ends what was asked for last, which may wait still; all before is ended already."""
    until: float = 0.0
    """When the folder goes, by the monotonic clock, unless something is asked for before."""
    left: bool = False
    work: threading.Lock = field(default_factory=threading.Lock)
    """Held while something is computed for this visitor."""


class Visitors:
    """Knows visitors by their sessions, and deletes what they leave behind.

    Args:
        root: Where their folders are made, under names that nobody can guess.
        seconds: After which a visitor of whom nothing is heard is forgotten.
    """

    def __init__(self, root: Path, seconds: float) -> None:
        self.root, self.seconds = root, seconds
        self._lock = threading.Lock()
        self._visitors: dict[str, Visitor] = {}

    def of(self, session: str) -> Visitor:
        """Give the visitor of a session; a new one has an empty folder."""
        with self._lock:
            if session not in self._visitors:
                # Never named for the session: a program may call itself anything.
                self._visitors[session] = Visitor(Path(tempfile.mkdtemp(dir=self.root)))
            visitor = self._visitors[session]
            visitor.until = time.monotonic() + self.seconds
            return visitor

    @contextmanager
    def working(self, session: str, fresh: bool = True) -> Iterator[Visitor]:
        """Work for a visitor.

        What the visitor asked for before is ended first. If the visitor leaves meanwhile, the
        folder goes at the end of the work.

        Args:
            session: Whose.
            fresh: Begin with an empty folder and nothing done.

        Raises:
            Cancelled: It was ended before it began.
        """
        visitor = self.of(session)
        own = threading.Event()
        with self._lock:
            visitor.newest.set()
            visitor.newest = own
        with visitor.work:
            # An event of its own: cleared for this, one of all would lose what was meant for it.
            visitor.stop = own
            try:
                if visitor.left or own.is_set():
                    raise Cancelled
                if fresh:
                    visitor.done.clear()
                    visitor.beside.clear()
                    visitor.inside = visitor.part = None
                    _empty(visitor.folder)
                yield visitor
            finally:
                visitor.until = time.monotonic() + self.seconds
                if visitor.left:
                    shutil.rmtree(visitor.folder, ignore_errors=True)

    def cancel(self, session: str) -> None:
        """End what is computed for a visitor within a tile, and what waits for that."""
        visitor = self.of(session)
        with self._lock:
            visitor.newest.set()

    def leave(self, session: str) -> None:
        """Forget a visitor: what is computed ends within a tile, and files are deleted."""
        with self._lock:
            visitor = self._visitors.pop(session, None)
            if visitor is None:
                return
            # In this order: who has begun since then sees that the visitor left.
            visitor.left = True
            visitor.newest.set()
        if visitor.work.acquire(blocking=False):
            try:
                shutil.rmtree(visitor.folder, ignore_errors=True)
            finally:
                visitor.work.release()

    def leave_soon(self, session: str, seconds: float = SOON) -> None:
        """Forget a visitor as soon as the answer must have been fetched."""
        self.of(session).until = time.monotonic() + seconds

    def sweep(self) -> None:
        """Forget those whose time is over, unless something is computed for them."""
        now = time.monotonic()
        with self._lock:
            old = [
                session
                for session, visitor in self._visitors.items()
                if now > visitor.until and not visitor.work.locked()
            ]
        for session in old:
            self.leave(session)


def _empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
