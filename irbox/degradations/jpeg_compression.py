"""What JPEG files lose."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image

from irbox.degradations.degradation import Degradation, Range, check_range, round_to_8_bits
from irbox.pictures.open_image import open_image
from irbox.registry import TRANSFORMS

# Halved colours are coded in squares of this side.
GRID = 16
SUBSAMPLING = {'4:4:4': 0, '4:2:0': 2}


@TRANSFORMS.register_module()
class JPEGCompression(Degradation):
    """The picture is written as a JPEG file and read again (Pillow's libjpeg).

    Args:
        quality: 1 to 95, as Pillow and libjpeg count, drawn per image among whole numbers.
        subsampling: ``4:2:0`` halves the resolution of colours, as most cameras and programs do,
            ``4:4:4`` keeps it; ``mixed`` draws one per image.
        aligned: Whether the squares of 8x8 begin at the picture's corner. Otherwise they begin
            anywhere, as in what was cropped after it had been compressed.
    """

    def __init__(
        self,
        quality: Range = (20, 95),
        subsampling: Literal['4:4:4', '4:2:0', 'mixed'] = 'mixed',
        aligned: bool = False,
    ) -> None:
        self.quality = check_range('quality', quality, lowest=1)
        if self.quality[1] > 95:
            raise ValueError(f'quality={quality!r}: 95 at most, beyond which files only grow.')
        self.subsampling = tuple(SUBSAMPLING) if subsampling == 'mixed' else (subsampling,)
        self.aligned = aligned

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        lowest, highest = self.quality
        quality = int(rng.integers(int(lowest), int(highest), endpoint=True))
        subsampling = SUBSAMPLING[self.subsampling[rng.integers(len(self.subsampling))]]
        top, left = (0, 0) if self.aligned else rng.integers(GRID, size=2).tolist()
        padded = np.pad(image, ((top, 0), (left, 0), (0, 0)), mode='symmetric')
        pixels = (255 * round_to_8_bits(padded)).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(pixels).save(file, 'JPEG', quality=quality, subsampling=subsampling)
        decoded = np.asarray(open_image(file, ('JPEG',)), dtype=np.float32)
        return decoded[top:, left:] / np.float32(255)
