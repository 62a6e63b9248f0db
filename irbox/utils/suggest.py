"""The nearest of the names that there are, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest, and which names there are.

    Examples:
        >>> suggest('hase', ['haze', 'rain'])
        "Did you mean 'haze'? Known: haze, rain."
    """
    known = sorted(map(str, known))
    near = get_close_matches(str(name), known, n=1)  # A key of a YAML file may be a number.
    hint = f'Did you mean {near[0]!r}? ' if near else ''
    return f'{hint}Known: {", ".join(known) or "none"}.'
