"""Rain, snow and haze of one's own, from pictures of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from irbox.degradations.degradation import Degradation, Range, check_range
from irbox.pictures.formats import DATA_FORMATS, SUFFIXES
from irbox.pictures.open_image import bits_of, open_image
from irbox.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MaskFolder(Degradation):
    """Lays a mask out of a folder over each image, as sets of rain and snow were made.

    ``add`` is ``x + s m``, the rain of CDD11 and of Rain100L. ``cover`` is ``x (1 - s m) + s m C``,
    with m the opacity of snow (Snow100K, CDD11) or the density of haze, 1 minus its transmission. A
    random part of the mask is taken, flipped left to right in every other image; where the mask is
    smaller than the image, it goes on mirrored.

    Args:
        folder: With the masks: pictures in grey or color, 8 bits; black is no rain, snow or haze.
        how: ``add`` or ``cover``.
        strength: s, drawn per image.
        color: C, grey, drawn per image: white for snow, the airlight for haze.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no pictures. Using it raises it for a picture that cannot be read, or
            that is deeper.
    """

    def __init__(
        self,
        folder: str,
        how: Literal['add', 'cover'] = 'add',
        strength: Range = 1.0,
        color: Range = 1.0,
    ) -> None:
        self.how = how
        self.strength = check_range('strength', strength, lowest=0)
        self.color = check_range('color', color, lowest=0)
        place = Path(folder).expanduser()
        if not place.is_dir():
            raise FileNotFoundError(
                f'The folder of masks {place} does not exist (looked from {Path.cwd()}).'
            )
        known = {suffix for kind in DATA_FORMATS for suffix in SUFFIXES[kind]}
        self.files = sorted(
            file
            for file in place.iterdir()
            if file.suffix.lower() in known and not file.name.startswith('.')
        )
        if not self.files:
            raise ValueError(f'The folder of masks {place} holds no pictures.')

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        mask = _part(_read(self.files[rng.integers(len(self.files))]), image.shape[:2], rng)
        mask = np.float32(rng.uniform(*self.strength)) * mask
        if self.how == 'add':
            answer: np.ndarray = image + mask
        else:
            color = np.float32(rng.uniform(*self.color))
            answer = image + mask.clip(0, 1) * (color - image)
        return answer


def _read(path: Path) -> np.ndarray:
    """Read a mask: (H, W, 3) float32, 0 to 1."""
    try:
        with open(path, 'rb') as file, open_image(file, DATA_FORMATS) as picture:
            file.seek(0)
            if bits_of(picture, file.read(64)) > 8:
                raise ValueError('it holds more than 8 bits per value: convert it to 8 bits')
            pixels = np.asarray(picture.convert('RGB'), dtype=np.float32)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'The mask {path} cannot be read ({error}).') from error
    return pixels / np.float32(255)


def _part(mask: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Cut a random part of a mask, of an image's height and width."""
    if rng.random() < 0.5:
        mask = mask[:, ::-1]
    missing = [max(0, wanted - there) for wanted, there in zip(shape, mask.shape, strict=False)]
    mask = np.pad(mask, ((0, missing[0]), (0, missing[1]), (0, 0)), mode='symmetric')
    top, left = (
        int(rng.integers(there - wanted + 1))
        for wanted, there in zip(shape, mask.shape, strict=False)
    )
    return mask[top : top + shape[0], left : left + shape[1]]
