"""Recordings of a few sizes, kept where they are used."""

from __future__ import annotations

from collections import Counter
from typing import Any, Generic, TypeVar

Graph = TypeVar('Graph')
MOST = 4
"""That are kept: each holds memory."""
IDLE = 8
"""Calls of a further size in which a graph is not taken, before it makes room: a recording takes as
long as about four, so that more sizes in turn than are kept would be recorded for ever."""


class FewGraphs(Generic[Graph]):
    """Keeps what was recorded of at most ``MOST`` sizes."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Graph, Counter[Any]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: Any) -> Graph | None:
        """Give the graph of a size, which counts as used now; None where there is none."""
        if key not in self._kept:
            return None
        graph, missed = self._kept[key]
        missed.clear()
        return graph

    def makes_room(self, key: Any) -> bool:
        """Tell whether a further size may be recorded; of too many graphs an idle one goes.

        To be asked at each call of that size.
        """
        for _, missed in self._kept.values():
            missed[key] += 1
        if len(self._kept) < MOST:
            return True
        idle = max(self._kept, key=lambda one: self._kept[one][1][key])
        if self._kept[idle][1][key] <= IDLE:
            return False
        del self._kept[idle]
        return True

    def keep(self, key: Any, graph: Graph) -> None:
        """Keep the graph of a size."""
        self._kept[key] = graph, Counter()

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()

    def any_one(self) -> Graph | None:
        """Give one of them; None where there is none."""
        return next((graph for graph, _ in self._kept.values()), None)
