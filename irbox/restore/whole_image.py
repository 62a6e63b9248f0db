"""What a network may know about a whole picture, from a copy that is small enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.restore.arrays import Pixels
from irbox.structures import Context, DegradationPrior

MOST_PIXELS = 2**20
"""Pixels of the largest picture that priors and prompts see as it is."""
CLOSE_UP = 512
"""Side of the four squares that they see of a larger one: as many pixels."""


def describe_picture(
    describe: Callable[[Tensor], Context], pixels: Pixels, small: Tensor, device: torch.device
) -> Context:
    """Compute what a network may know about a whole picture.

    Shrinking takes noise, rain and snow away, and priors learn on crops of full size. So of a
    picture that would have to be shrunk, four close-ups are described, and the mean of what is
    believed of them is what the tiles get (docs/restoring.md has what that changes).

    Args:
        describe: The network's.
        pixels: The picture.
        small: What ``shrunk`` gives of it.
        device: The network's.
    """
    if small.shape[2:] == pixels.size:
        return describe(small.to(device))
    context = describe(close_ups(pixels).to(device))
    prior, prompt = context.prior, context.prompt
    if prior is not None:
        prior = DegradationPrior(
            features=prior.features.mean(0, keepdim=True),
            probabilities=prior.probabilities.mean(0, keepdim=True),
            content=prior.content.mean(0, keepdim=True),
        )
    return replace(
        context,
        image=small.to(device),
        prior=prior,
        prompt=None if prompt is None else prompt.mean(0, keepdim=True),
    )


def close_ups(pixels: Pixels, side: int = CLOSE_UP) -> Tensor:
    """Cut squares out of the middles of a picture's quarters, at full size.

    Returns:
        (4, 3, h, w) in 0 to 1; h and w are ``side``, or the picture's where that is less.
    """
    parts = []
    for down in (1, 3):
        for across in (1, 3):
            rows, columns = (
                slice(start, start + side)
                for length, quarter in zip(pixels.size, (down, across), strict=True)
                for start in [max(min(length * quarter // 4 - side // 2, length - side), 0)]
            )
            parts.append(pixels.colors(rows, columns).clamp(0, 1))
    return torch.stack(parts)


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
