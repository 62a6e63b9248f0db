"""What a browser shows of a picture: files of 8 bits that every browser draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from irbox.pictures import Picture
from irbox.pictures.values import to_depth
from irbox.restore.batch.compare import difference

QUICK = 1
"""Level of zlib: what is looked at once is not worth more time."""


@dataclass(frozen=True)
class Views:
    """Files that a browser draws."""

    before: Path
    after: Path
    difference: Path


def draw_views(picture: Picture, restored: np.ndarray, folder: Path, stem: str) -> Views:
    """Draw before, after, and where they differ, at full size.

    Args:
        picture: As it was.
        restored: (H, W, 3), of the same depth.
        folder: Where the files go.
        stem: Their names begin so.
    """
    views = Views(*(folder / f'{stem}_{name}.png' for name in ('before', 'after', 'difference')))
    draw(picture, picture.pixels, views.before)
    draw(picture, restored, views.after)
    changed = difference(picture.pixels, restored)[..., 0]
    _image(changed).save(views.difference, 'PNG', compress_level=QUICK)
    return views


def draw(picture: Picture, values: np.ndarray, path: Path) -> None:
    """Write values (H, W, 3) as a PNG file in the picture's own colors."""
    view(picture, values).save(path, 'PNG', compress_level=QUICK)


def view(picture: Picture, values: np.ndarray, longest: int | None = None) -> Image.Image:
    """Give values as an image of 8 bits in the picture's own colors.

    Args:
        picture: Whose color profile holds.
        values: (H, W, 3).
        longest: Side in pixels to which it is shrunk.
    """
    image = _image(values)
    if longest is not None:
        image.thumbnail((longest, longest))
    if picture.metadata.icc is not None:
        # Saved with it, in whatever format.
        image.info['icc_profile'] = picture.metadata.icc
    return image


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_depth(values, np.uint8)))
