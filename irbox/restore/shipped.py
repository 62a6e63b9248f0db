"""Models that come with irbox, by name."""

from __future__ import annotations

from pathlib import Path

from irbox.registry import suggest

WEIGHTS = Path(__file__).resolve().parents[1] / 'weights'
"""A folder for each model, in the hub's layout, as ``irbox save-model`` writes it."""
SHIPPED = {path.parent.name: path.parent for path in sorted(WEIGHTS.glob('*/config.json'))}
"""Name -> folder; the first restores where the user names none."""


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


def default_model() -> str:
    """Name the model that restores where the user names none.

    Raises:
        ValueError: None is shipped.
    """
    for name in SHIPPED:
        return name
    raise ValueError(
        'No model came with this irbox: give one by --model, such as the final.pth of a training '
        '(irbox train m2restore_demo makes one in minutes).'
    )
