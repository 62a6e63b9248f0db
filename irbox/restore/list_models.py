"""What ``irbox models`` lists, and docs/models.md as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass

from irbox.restore.hub_folder import CONFIG
from irbox.restore.known_models import KNOWN
from irbox.restore.shipped import SHIPPED


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    name: str
    what: str
    licence: str
    """Of the weights where they ship; else of the authors' code."""
    origin: str
    """``'comes with irbox'``, or where its file comes from; the same on every machine."""
    here: str | None
    """Its place on this machine."""


def list_models() -> list[Listed]:
    """List what ships, then what is known by name."""
    shipped = []
    for name, folder in SHIPPED.items():
        card = json.loads((folder / CONFIG).read_text(encoding='utf-8')).get('card') or {}
        what = ', '.join(card.get('tasks') or card.get('degradations') or ()) or 'not stated'
        licence = card.get('licence') or 'not stated'
        shipped.append(Listed(name, what, licence, 'comes with irbox', str(folder)))
    return shipped + [
        Listed(
            model.name,
            model.title,
            model.licence,
            model.address or model.where,
            str(here) if (here := model.here()) else None,
        )
        for model in KNOWN.values()
    ]


def text(models: list[Listed]) -> str:
    """Write the list for a terminal, with what is on this machine."""
    name, what = (max(len(getattr(one, key)) for one in models) + 2 for key in ('name', 'what'))
    lines = []
    for one in models:
        place = one.origin if one.origin == 'comes with irbox' else f'here: {one.here}'
        if one.here is None:
            place = f'not here: {one.origin}'
        lines.append(f'{one.name:{name}}{one.what:{what}}{place} (licence: {one.licence})')
    return '\n'.join(lines)


def markdown(models: list[Listed]) -> str:
    """Write the list as a table, the same on every machine."""
    lines = ['| name | what it is | licence | where its weights come from |', '|---|---|---|---|']
    lines += [f'| `{one.name}` | {one.what} | {one.licence} | {one.origin} |' for one in models]
    return '\n'.join(lines)
