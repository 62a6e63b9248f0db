"""Depth maps of one's own, one beside each clean image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from irbox.datasets.pairs.image_folders import list_images, stem_of
from irbox.datasets.read_image import opened

# Of the whole numbers that pictures hold, what is white.
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.int32): 65535}


class DepthMaps:
    """Finds and reads the depth map of each image of a source.

    Args:
        folder: With pictures in grey, of 8 or 16 bits or floats in 0 to 1, named as the images.
        near: Which end is near: ``black`` or, as in the maps of MegaDepth, ``white``.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: ``near`` is neither.
    """

    def __init__(self, folder: Path, near: str = 'black') -> None:
        if near not in ('black', 'white'):
            raise ValueError(f'depth: near={near!r} must be black or white.')
        if not folder.is_dir():
            raise FileNotFoundError(
                f'The folder of depth maps {folder} does not exist (looked from {Path.cwd()}).'
            )
        self.folder, self.near = folder, near
        self.files = {stem_of(name): folder / name for name in list_images(folder)}

    def check(self, images: list[Path]) -> None:
        """Refuse images without a map.

        Raises:
            ValueError: With their number and the first of them.
        """
        missing = [path for path in images if stem_of(path.name) not in self.files]
        if missing:
            raise ValueError(
                f'{len(missing)} of {len(images)} images have no depth map in {self.folder}, such '
                f'as {missing[0].name}.'
            )

    def read(self, image: Path) -> Image.Image:
        """Read the depth map of an image: mode F, 0 near to 1 far.

        Raises:
            BadImageError: It cannot be read.
        """
        with opened(self.files[stem_of(image.name)], deep=True) as (picture, _):
            # Numbers of a palette are no depth, its colors are.
            values = np.asarray(picture.convert('L') if picture.mode == 'P' else picture)
        # TIFF files may have the other order of bytes.
        values = values.astype(values.dtype.newbyteorder('='), copy=False)
        if values.ndim == 3:
            values = values[..., 0]
        depth = (values / np.float32(_WHITE.get(values.dtype, 1))).astype(np.float32).clip(0, 1)
        return Image.fromarray(1 - depth if self.near == 'white' else depth)


def depth_maps(what: str, given: Any, base: Path) -> DepthMaps | None:
    """Build what a source's ``depth`` says: a folder, or ``{folder: ..., near: ...}``.

    Args:
        what: The source, for messages.
        given: Its ``depth``, if there is one.
        base: Folder that the path is relative to.

    Raises:
        FileNotFoundError, ValueError: See ``DepthMaps``; it is neither.
    """
    if given is None:
        return None
    content = given if isinstance(given, Mapping) else {'folder': given}
    folder = content.get('folder')
    if not isinstance(folder, str | Path) or set(content) - {'folder', 'near'}:
        raise ValueError(
            f'{what}: depth={given!r} must be a folder, or {{folder: ..., near: black or white}}.'
        )
    return DepthMaps(base / Path(folder).expanduser(), content.get('near', 'black'))
