"""Who has the page open."""

from __future__ import annotations

import asyncio


class Presence:
    """An event of each open page that ends when the page is closed.

    gradio (6.31) ends a browser's stream of answers with the last one that is due. A browser that
    has asked for something meanwhile takes the stream for open, reads then that it has ended, and
    waits for ever: whoever pressed "Restore" a tenth of a second after moving a bar got nothing,
    and could not press again. While one answer is due the stream does not end. Programs that call
    the page have no such event: they wait for the end of theirs.
    """

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Event] = {}

    async def stay(self, session: str) -> None:
        """Return when the page of a session is closed."""
        await self._open.setdefault(session, asyncio.Event()).wait()

    def leave(self, session: str) -> None:
        """Let the event of a page end; without one, do nothing. In the thread of its loop."""
        if event := self._open.pop(session, None):
            event.set()

    @property
    def sessions(self) -> frozenset[str]:
        """Name the sessions whose page is open."""
        return frozenset(self._open)
