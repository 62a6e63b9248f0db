"""A part of a picture before the whole, with the whole picture's context."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from irbox.page.steps import Say
from irbox.page.turns import Cancelled, Turns
from irbox.page.views import view
from irbox.pictures import read_picture
from irbox.restore.batch.settings import Settings
from irbox.restore.restoration_model import RestorationModel

SIDE = 256
"""Of the part, in pixels."""
TILE = 384
"""Side of the tiles, of which only those that touch the part are computed."""
WHITE = 255


@dataclass(frozen=True)
class Part:
    """A restored part, as a browser draws it, and what was believed of the whole."""

    before: Image.Image
    after: Image.Image
    text: str
    beliefs: Mapping[str, float]


def preview_part(
    model: RestorationModel,
    source: Path,
    settings: Settings,
    point: tuple[int, int],
    shown: int,
    stop: threading.Event,
    turns: Turns,
    say: Say,
) -> Part:
    """Restore the part around a point, in tiles that know what is believed of the whole picture.

    It is what the whole would be there but for the tiles, which may lie elsewhere.

    Args:
        model: That restores.
        source: The picture.
        settings: How the whole would be restored.
        point: Across and down, in pixels of the picture shrunk to at most ``shown`` on a side.
        shown: See ``point``.
        stop: Once set, the restoration ends within a tile.
        turns: Who comes before.
        say: Told how far it is.

    Raises:
        ValueError: The picture cannot be read, or an option does not fit.
        Cancelled: ``stop`` was set.
    """
    picture = read_picture(source)
    width, height = picture.size
    scale = max(max(width, height) / shown, 1)
    left, top = (
        max(min(round(at * scale) - SIDE // 2, length - SIDE), 0)
        for at, length in zip(point, (width, height), strict=True)
    )
    rows, columns = slice(top, top + SIDE), slice(left, left + SIDE)
    mask = np.zeros((height, width), np.uint8)
    mask[rows, columns] = WHITE
    options = replace(settings.options(), mask=mask, tile=TILE)

    def tell(share: float) -> None:
        if stop.is_set():
            raise Cancelled
        say(share, 'part')

    with turns.turn(str(model.device), lambda before: say(0, f'{before} before you'), stop):
        done = model.run(picture, options, tell)
    before = view(picture, picture.pixels[rows, columns])
    after = view(picture, done.image[rows, columns])
    report = done.report
    text = (
        f'A part of {min(SIDE, width)}x{min(SIDE, height)} pixels, {report.seconds:.1f} s, by '
        f'{model.name}'
    )
    return Part(before, after, text, report.steered or report.degradations)
