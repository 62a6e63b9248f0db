"""Strips of rows: a wide map is made, convolved and used up while it is still in the cache.

The layers of a U widen a map, look at its neighbours and narrow it again. As a whole the wide
map is the largest tensor of the network and leaves every cache; in strips it never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.plain import are_depthwise, is_traced, is_watched
from irbox.native.library import LANES

BYTES = 2**20
"""Of the wide map that a strip holds for each thread, which has its own cache: longer ones leave
it, shorter ones cost more calls.

Twice as many in half precision, whose products are so fast that calls count for more.
"""
TIMES = 2
"""How many times as long the strips of a backward pass are."""


def can_run_in_strips(x: Tensor, *modules: nn.Module) -> bool:
    """Tell whether layers may be computed in strips: on a CPU, with nothing to differentiate.

    Not while they are compiled, exported or traced, not where somebody watches a module inside
    them, which strips do not call, and not with other convolutions than 1x1s and depthwise 3x3s.
    """
    if x.device.type != 'cpu' or x.dtype not in (torch.float32, torch.float64, torch.bfloat16):
        return False
    # The cheaper question first: layers that learn are most of those that are asked in vain.
    if is_traced(x) or learns(x, modules):
        return False
    return not is_watched(modules) and are_depthwise(modules)


def learns(x: Tensor, modules: Iterable[nn.Module]) -> bool:
    """Tell whether what modules make of ``x`` is differentiated."""
    return torch.is_grad_enabled() and (
        x.requires_grad or any(p.requires_grad for part in modules for p in part.parameters())
    )


def computing_dtype(x: Tensor) -> torch.dtype:
    """Give the dtype that products on ``x`` are computed in: its own, or autocast's."""
    kind = x.device.type
    known = x.dtype != torch.float64 and torch.amp.is_autocast_available(kind)
    if known and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype


def size_of(pixels: Tensor) -> tuple[int, int, int]:
    """Give B, H and W of pixels (B, H, W, C)."""
    batch, height, width, _ = pixels.shape
    return batch, height, width


def pixels_of(x: Tensor) -> Tensor:
    """View a map (B, C, H, W) as pixels (B, H, W, C); copy what is not in channels-last memory."""
    return x.permute(0, 2, 3, 1).contiguous()


def weights_of(
    conv: nn.Conv2d, dtype: torch.dtype, *, given: int = 0, made: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Give a convolution's weights, padded with zeros where a map is wide.

    Args:
        conv: A 1x1 or a depthwise one.
        dtype: Of the answer.
        given: How many branches lie side by side in the input, each of which is padded to whole
            vectors; 0 where the input is as it is.
        made: The same of the output.

    Returns:
        Weights, as a matrix (out, in) of a 1x1 convolution, and the bias if there is one.
    """
    weight = conv.weight if conv.weight.shape[-1] > 1 else conv.weight.flatten(1)
    bias = conv.bias
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    if given:
        weight = _pad(weight, given, 1)
    if made:
        weight = _pad(weight, made, 0)
        bias = None if bias is None else _pad(bias, made, 0)
    return weight, bias


def without_padding(x: Tensor, own: Tensor, *, given: int = 0, made: int = 0) -> Tensor:
    """Take the zeros out of what ``weights_of`` gave, or of its gradient.

    Args:
        x: Of the weight or of the bias, as it was given.
        own: The convolution's, whose shape the answer has.
        given: See ``weights_of``.
        made: The same.
    """
    for dim, branches in ((1, given), (0, made)):
        if branches and dim < x.ndim and x.shape[dim] != own.shape[dim]:
            apart = x.reshape(*x.shape[:dim], branches, -1, *x.shape[dim + 1 :])
            x = apart.narrow(dim + 1, 0, own.shape[dim] // branches).flatten(dim, dim + 1)
    return x.reshape(own.shape)


def _pad(x: Tensor, branches: int, dim: int) -> Tensor:
    width = x.shape[dim] // branches
    missing = -width % LANES
    if not missing:
        return x
    margin = [0, 0] * (x.ndim - 1 - dim) + [0, missing]
    apart = x.reshape(*x.shape[:dim], branches, width, *x.shape[dim + 1 :])
    return F.pad(apart, margin).flatten(dim, dim + 1)


def pixels_in_strip(channels: int, dtype: torch.dtype) -> int:
    """Say how many pixels of a map make a strip."""
    many = (2 if dtype.itemsize == 2 else 1) * BYTES * torch.get_num_threads()
    return max(1, many // (channels * dtype.itemsize))


def strips(
    shape: tuple[int, int, int], channels: int, dtype: torch.dtype
) -> Iterator[tuple[slice, slice]]:
    """Cut a batch of maps into strips of rows: several small maps, or a part of a large one.

    Args:
        shape: B, H and W.
        channels: Of the widest map that is made of a strip.
        dtype: Of that map.

    Yields:
        Which images, and which of their rows.
    """
    batch, height, width = shape
    rows = max(1, pixels_in_strip(channels, dtype) // width)
    together = max(1, rows // height)
    for first in range(0, batch, together):
        images = slice(first, min(first + together, batch))
        for start in range(0, height, rows):
            yield images, slice(start, min(start + rows, height))


def whole_images(
    shape: tuple[int, int, int], channels: int, dtype: torch.dtype, times: int = 1
) -> Iterator[slice]:
    """Cut a batch of small maps into as many whole images as a strip, or several, would hold.

    Args:
        shape: See ``strips``.
        channels: The same.
        dtype: The same.
        times: How many strips' pixels.

    Yields:
        Which images, one at least.
    """
    batch, height, width = shape
    together = max(1, times * pixels_in_strip(channels, dtype) // (height * width))
    for first in range(0, batch, together):
        yield slice(first, min(first + together, batch))


def kept_map(x: Tensor, channels: int) -> Tensor:
    """Give memory for a wide map that a layer keeps until its backward pass.

    Args:
        x: (B, C, H, W), the layer's input.
        channels: C' of the wide map.

    Returns:
        (B, H, W, C'), of which whole images are a strip; or (B, H + 2, W, C'), where an image is
        more than that, with a row of zeros above and one below each: every strip is a view then.
    """
    batch, _, height, width = x.shape
    dtype = computing_dtype(x)
    whole = height * width <= TIMES * pixels_in_strip(channels, dtype)
    kept = x.new_empty(batch, height + 2 * (not whole), width, channels, dtype=dtype)
    if not whole:
        kept[:, 0] = kept[:, -1] = 0
    return kept


def strip_of_kept(kept: Tensor, height: int) -> int:
    """Say how long strips are where a kernel goes through all of them in one call and keeps them.

    Half as long as others, which Python calls for: what a strip is made of, several maps as wide,
    is to stay in the second cache.

    Args:
        kept: See ``kept_map``.
        height: H.

    Returns:
        Whole images, or rows where the map has some around it.
    """
    _, rows, width, channels = kept.shape
    pixels = pixels_in_strip(2 * channels, kept.dtype)
    return max(2, pixels // width) if rows > height else max(1, pixels // (height * width))


def strip_of_ring(width: int, channels: int, dtype: torch.dtype) -> tuple[int, int]:
    """Say how large strips are where a kernel goes through all of them and keeps nothing.

    Args:
        width: W.
        channels: C' of the wide map, of which two rows beside the strip stay as well.
        dtype: Of that map.

    Returns:
        Rows, and columns: fewer than W where one row of W pixels and those beside it would be more
        than that; in half precision two, since kernels take them two by two.
    """
    pixels, least = BYTES // (dtype.itemsize * channels), 2 if dtype.itemsize == 2 else 1
    if pixels >= (least + 2) * width:
        return pixels // width - 2, width
    return least, max(1, pixels // (least + 2) - 2)
