"""What becomes of an image that is written to a file before it is scored."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from irbox.pictures.open_image import open_image


def center_crop(image: Tensor, multiple: int) -> Tensor:
    """Cut images, in the middle, to the next smaller multiple.

    Of r rows too many, r // 2 go at the top and the rest at the bottom; columns alike. PromptIR and
    its successors do so with both images before the network.

    Args:
        image: (..., H, W).
        multiple: 1 keeps the image.

    Raises:
        ValueError: A side is smaller than the multiple.
    """
    height, width = image.shape[-2:]
    if min(height, width) < multiple:
        raise ValueError(
            f'This protocol cuts images to multiples of {multiple} and cannot score '
            f'{height}x{width}.'
        )
    top, left = height % multiple // 2, width % multiple // 2
    image = image[..., top : top + height // multiple * multiple, :]
    return image[..., left : left + width // multiple * multiple]


def to_bytes(image: Tensor) -> Tensor:
    """Round images in 0 to 1 to (B, C, H, W) uint8; values outside are clipped."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def through_jpeg(image: Tensor, quality: int) -> Tensor:
    """Write and read (B, 3, H, W) uint8 images as JPEG, colours at half the resolution (4:2:0).

    Done in memory, by Pillow, on the CPU.
    """
    read = []
    for pixels in image.permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format='JPEG', quality=quality, subsampling='4:2:0')
        with open_image(file, ('JPEG',)) as again:
            read.append(np.array(again))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).to(image.device)


def check_jpeg_quality(quality: int | None) -> None:
    """Refuse what is no quality of a JPEG file; None stands for no file.

    Raises:
        ValueError: It is none.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f'jpeg_quality={quality} must be 1 to 100, or null.')
