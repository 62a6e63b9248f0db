"""One wrong way: what is typed, and what the one line of message must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Way:
    """A row of the table.

    ``typed`` stands behind ``irbox``; ``--model model`` is added to ``restore`` and ``verify``
    unless it names one. ``says`` are the value at fault and the remedy, as the message has them.
    ``prepare`` makes the files that are wrong; ``environment`` is set; ``bare`` adds no model; it
    runs ``within`` a machine that lacks something, and as an ordinary ``user`` where that matters.
    """

    typed: str
    says: tuple[str, ...]
    prepare: Callable[[], object] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    name: str = ''
    within: Callable[[], AbstractContextManager[object]] = nullcontext
    user: bool = False

    def __str__(self) -> str:
        return self.name or self.typed


def ways(table: Mapping[str, tuple[str, ...]], **options: object) -> list[Way]:
    """Make rows of what is typed -> what is said."""
    return [Way(typed, says, **options) for typed, says in table.items()]
