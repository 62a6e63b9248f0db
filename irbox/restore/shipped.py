"""Models that come with irbox, by name."""

from __future__ import annotations

from pathlib import Path

from irbox.registry import suggest

SHIPPED: dict[str, Path] = {}
"""Name -> folder in the hub's layout. None is shipped yet."""


def find_shipped(name: str) -> Path:
    """Find the folder of a shipped model.

    Raises:
        ValueError: There is none of this name; lists those there are.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    raise ValueError(
        f'There is no file or folder {name!r} and no shipped model of this name. '
        f'{suggest(name, SHIPPED)} Give a checkpoint that irbox wrote, (config, checkpoint), or a '
        'folder with config.json and model.safetensors.'
    )
