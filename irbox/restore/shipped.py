"""Models that come with irbox, by name."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[1] / 'weights'
"""A folder for each model, in the hub's layout, as ``irbox save-model`` writes it."""
SHIPPED = {path.parent.name: path.parent for path in sorted(WEIGHTS.glob('*/config.json'))}
"""Name -> folder; the first restores where the user names none."""


def default_model() -> str:
    """Give the folder of the model that restores where the user names none.

    Not its name, which a folder of the user's may have as well.

    Raises:
        ValueError: None is shipped.
    """
    for folder in SHIPPED.values():
        return str(folder)
    raise ValueError(
        'No model came with this irbox: give one by --model, such as the final.pth of a training '
        '(irbox train m2restore_demo makes one in minutes).'
    )
