"""Padding of images to the sizes that a network can halve."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad bottom and right to a multiple, by reflection where the image is large enough.

    (B, C, H, W) -> (B, C, H', W'), the same tensor where nothing is missing.
    """
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    mode = 'reflect' if bottom < height and right < width else 'replicate'
    return F.pad(image, (0, right, 0, bottom), mode=mode) if bottom or right else image
