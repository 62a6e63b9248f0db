"""A map that is widened and convolved depthwise, strip by strip."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from irbox.layers.norm import LayerNorm2d
from irbox.layers.pixel_linear import PixelLinear
from irbox.layers.strip_convolutions import StripConvolution, normalized
from irbox.layers.strips import (
    size_of,
    strip_of_kept,
    strip_of_ring,
    strips,
    weights_of,
    whole_images,
)
from irbox.native.layers import Layer, Norm, Widening
from irbox.native.library import LANES
from irbox.native.products import taken_at_once

Answer = TypeVar('Answer')
Fill = Callable[[slice, slice, Tensor], object]
"""``fill(images, rows, out)`` writes rows of a map into ``out``, (images, rows, W, C)."""


def convolve_in_strips(
    fill: Fill,
    convolve: StripConvolution[Answer],
    shape: tuple[int, int, int],
    kept: Tensor | None = None,
) -> Iterator[tuple[slice, slice, Answer]]:
    """Convolve a map depthwise, 3x3 with zeros around it, that is made strip by strip.

    A strip needs a row above and one below it. Those above were made for the strip before.

    Args:
        fill: Makes rows of the map.
        convolve: What is done with each strip.
        shape: B, H and W.
        kept: Memory of that map, filled where it is given, see ``kept_map``.

    Yields:
        Which images, which rows, and their answer.
    """
    weight = convolve.weight
    channels, (_, height, width) = weight.shape[0], shape
    if kept is not None and kept.shape[1] == height:
        rows = slice(0, height)
        for images in whole_images(shape, channels, weight.dtype):
            fill(images, rows, kept[images])
            yield images, rows, convolve(kept[images], False, (images, rows))
        return
    window = weight.new_empty(0)
    for images, rows in strips(shape, channels, weight.dtype):
        if kept is not None:
            made = slice(rows.start and rows.start + 1, min(rows.stop + 1, height))
            if made.start < made.stop:
                fill(images, made, kept[images, made.start + 1 : made.stop + 1])
            strip = kept[images, rows.start : rows.stop + 2]
            yield images, rows, convolve(strip, True, (images, rows))
            continue
        count = rows.stop - rows.start
        whole = count == height
        if whole:
            window = weight.new_empty(images.stop - images.start, height, width, channels)
            fill(images, rows, window)
        else:
            # From here on the window's row 0 is the map's row ``rows.start - 1``.
            known = 0 if rows.start == 0 else rows.start + 1
            if known:
                window[:, 0], window[:, 1] = window[:, -2], window[:, -1]
                window = window[:, : count + 2]
            else:
                window = weight.new_empty(1, count + 2, width, channels)
                window[:, 0] = 0
            until = min(rows.stop + 1, height)
            if known < until:
                first = known - rows.start + 1
                fill(images, slice(known, until), window[:, first : first + until - known])
            if until == rows.stop:
                window[:, -1] = 0
        yield images, rows, convolve(window, not whole, (images, rows))


def widen_in_strips(
    pixels: Tensor,
    widen: nn.Conv2d,
    convolve: StripConvolution[Answer],
    branches: int = 1,
    norm: LayerNorm2d | None = None,
    kept: Tensor | None = None,
) -> Iterator[tuple[slice, slice, Answer]]:
    """Widen pixels by a 1x1 convolution and convolve the wide map depthwise.

    Args:
        pixels: (B, H, W, C).
        widen: C -> the wide map.
        convolve: Of the wide map; it is computed in the dtype of its weights.
        branches: That lie side by side in the wide map, each padded to whole vectors.
        norm: Applied to the pixels first.
        kept: See ``convolve_in_strips``.

    Yields:
        As ``convolve_in_strips``.
    """
    dtype = convolve.weight.dtype
    linear = PixelLinear(*weights_of(widen, dtype, made=branches))

    def fill(images: slice, rows: slice, out: Tensor) -> None:
        strip = pixels[images, rows]
        strip = strip.to(dtype) if norm is None else normalize(strip, norm, dtype)
        linear(strip, out)

    yield from convolve_in_strips(fill, convolve, size_of(pixels), kept)


def normalize(pixels: Tensor, norm: LayerNorm2d, dtype: torch.dtype) -> Tensor:
    """Normalise pixels (..., C), with nothing to differentiate, -> same shape, in ``dtype``."""
    found = normalized(pixels, norm.weight, norm.bias, norm.eps, dtype)
    return norm.normalize(pixels).to(dtype) if found is None else found


def norm_for_kernels(norm: LayerNorm2d) -> Norm:
    """Give a norm's weights as kernels of whole layers take them."""
    bias = None if norm.bias is None else norm.bias.detach()
    return Norm(norm.weight.detach(), bias, norm.eps)


def widening(
    pixels: Tensor,
    widen: nn.Conv2d,
    convolve: StripConvolution[Answer],
    kept: Tensor | None,
    branches: int = 1,
    norm: LayerNorm2d | None = None,
) -> tuple[ctypes.CDLL, Widening] | None:
    """Give what ``widen_in_strips`` does to a kernel that computes the whole layer.

    Returns:
        The kernels and the first half of the layer; None where strips are to be computed one by
        one: where channels are no whole vectors, where torch multiplies faster, and where a map in
        half precision is kept or computed from one that is not.
    """
    library, dtype = convolve.library, pixels.dtype
    if library is None or dtype != convolve.weight.dtype or pixels.shape[3] % LANES:
        return None
    if kept is not None and dtype != torch.float32 or not taken_at_once(library, dtype):
        return None
    if norm is not None and norm.weight.dtype != torch.float32:
        return None
    _, height, width, _ = pixels.shape
    if kept is None:
        together, across = strip_of_ring(width, len(convolve.weight), dtype)
    else:
        together, across = strip_of_kept(kept, height), None
    own = None if norm is None else norm_for_kernels(norm)
    layer = Layer(pixels.contiguous(), kept, together, convolve.taps, convolve.shift, own, across)
    weight, bias = weights_of(widen, dtype, made=branches)
    with torch.no_grad():
        weight, bias = weight.contiguous(), None if bias is None else bias.float()
    return library, Widening(layer, weight, bias)
