"""What a network may know about a whole picture, from a copy that is small enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.restore.arrays import Pixels

MOST_PIXELS = 2**20
"""Pixels of the largest picture that priors and prompts see as it is."""


def shrunk(pixels: Pixels, most: int = MOST_PIXELS) -> Tensor:
    """Give a whole image, shrunk by a whole factor to at most ``most`` pixels.

    Every pixel of the answer is the mean of a square, so that nothing is left out; fine noise gets
    weaker by it. Done in strips: the whole is never there as floats.

    Returns:
        (1, 3, H, W) in 0 to 1.
    """
    height, width = pixels.size
    factor = max(math.ceil(math.sqrt(height * width / most)), 1)
    # Of an image that is thinner than the factor a mean over its few pixels is all there is.
    kernel = min(factor, height), min(factor, width)
    step = kernel[0] * max(2**18 // (kernel[0] * width), 1)
    strips = [
        F.avg_pool2d(
            pixels.colors(slice(top, top + step)).clamp(0, 1)[None], kernel, ceil_mode=True
        )
        if factor > 1
        else pixels.colors(slice(top, top + step)).clamp(0, 1)[None]
        for top in range(0, height, step)
    ]
    return torch.cat(strips, dim=2)
