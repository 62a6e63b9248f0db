"""Where tiles lie along one side of an image, and how their answers fade into each other."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

DEFAULT_OVERLAP = 32


class Span(NamedTuple):
    """Pixels ``start`` to ``stop`` of one side."""

    start: int
    stop: int


def split_side(length: int, size: int, overlap: int, multiple: int) -> list[Span]:
    """Cover a side by spans of equal size that overlap.

    No span is longer than ``size``, neighbors share at least ``overlap`` pixels, and all begin at a
    multiple, so that the network halves the same pixels as it would in the whole image. As many
    spans are taken as are needed and then made equal: a side of 520 is cut into two of 280, not
    into 512 and a strip. The last one may be shorter by less than a multiple.

    Args:
        length: Pixels of the side.
        size: Largest span; rounded down to a multiple.
        overlap: Pixels that neighbors share at least; rounded up to a multiple.
        multiple: What a network's images are padded to.

    Raises:
        ValueError: The spans could not advance.

    Example:
        >>> split_side(520, size=512, overlap=32, multiple=8)
        [Span(start=0, stop=280), Span(start=240, stop=520)]
    """
    if length <= size:
        return [Span(0, length)]
    total, most, shared = -(-length // multiple), size // multiple, -(-overlap // multiple)
    if most <= shared:
        raise ValueError(
            f'Tiles of {size} pixels that overlap by {overlap} cannot advance by {multiple}, the '
            "network's multiple. Take larger tiles or a smaller overlap."
        )
    count = -(-(total - shared) // (most - shared))
    equal = -(-(total + (count - 1) * shared) // count)
    starts = [number * (total - equal) // (count - 1) for number in range(count)]
    return [Span(start * multiple, min((start + equal) * multiple, length)) for start in starts]


def fade_weights(spans: list[Span]) -> list[Tensor]:
    """Compute the weight of each span at its pixels; over all spans they sum to one.

    Where neighbors share pixels, one fades into the other as the square of a sine, whose slope is
    zero at both ends; at the very edge of a tile, where the network saw least around it, its weight
    is nearly zero.
    """
    raw = []
    for number, (start, stop) in enumerate(spans):
        weight = torch.ones(stop - start)
        if number:
            shared = spans[number - 1].stop - start
            weight[:shared] *= _rise(shared)
        if number + 1 < len(spans):
            shared = stop - spans[number + 1].start
            weight[len(weight) - shared :] *= _rise(shared).flip(0)
        raw.append(weight)
    total = torch.zeros(spans[-1].stop)
    for (start, stop), weight in zip(spans, raw, strict=True):
        total[start:stop] += weight
    return [weight / total[start:stop] for (start, stop), weight in zip(spans, raw, strict=True)]


def _rise(count: int) -> Tensor:
    return torch.sin((torch.arange(count) + 0.5) * (math.pi / 2 / max(count, 1))) ** 2
