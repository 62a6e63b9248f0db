"""Whole layers that learn, each way by one call: norm, 1x1 and 3x3 convolutions, what is between.

All tensors are float32 on a CPU and contiguous, maps as pixels (B, H, W, C), C a multiple of 16.
Weights are those of convolutions without a bias, as they are.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from irbox.native.image_parts import parts
from irbox.native.layers import Norm
from irbox.native.library import LANES


class Kept(NamedTuple):
    """What attention keeps for its backward pass."""

    wide: Tensor
    """Queries, keys and values before their 3x3, (B, H, W, 3 C)."""
    values: Tensor
    """(B, H, W, C)."""
    product: Tensor
    """Of queries and keys, (B, heads, c, c)."""
    squares: Tensor
    """Of queries and keys, summed over the pixels, (B, 2 C)."""


def feed_forward(
    library: ctypes.CDLL, pixels: Tensor, norm: Norm, weights: Sequence[Tensor], wide: Tensor
) -> Tensor:
    """Compute ``x + narrow(gelu(a) * b)``, a and b the halves of the convolved wide map.

    Args:
        library: See ``image_parts.can_learn``.
        pixels: (B, H, W, C).
        norm: Applied first.
        weights: Of the 1x1 convolution to 2 H channels, of their 3x3, and of the 1x1 from H.
        wide: (B, H, W, 2 H'), H' the next multiple of 16: written to, for the backward pass.
    """
    answer = torch.empty_like(pixels)
    given = _feed_forward(pixels, norm, weights, wide)
    library.image_feed_forward_float32(*given, wide.data_ptr(), answer.data_ptr())
    return answer


def feed_forward_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    norm: Norm,
    weights: Sequence[Tensor],
    wide: Tensor,
    of_answer: Tensor,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Differentiate ``feed_forward``.

    Args:
        library: See ``feed_forward``.
        pixels: The same.
        norm: The same.
        weights: The same.
        wide: What was written.
        of_answer: The answer's gradient.

    Returns:
        The gradients of the pixels, of the weights, and of the norm's weight and bias.
    """
    given = _feed_forward(pixels, norm, weights, wide)
    _check(of_answer, pixels.shape)
    of_pixels, of_norm = torch.empty_like(pixels), norm.weight.new_empty(2, len(norm.weight))
    own = [torch.empty_like(one) for one in weights]
    made = of_pixels, of_norm, *own
    library.image_feed_forward_gradient_float32(
        *given, wide.data_ptr(), of_answer.data_ptr(), *_at(made)
    )
    return of_pixels, own, list(of_norm.unbind())


def self_attention(
    library: ctypes.CDLL, pixels: Tensor, norm: Norm, weights: Sequence[Tensor], wide: Tensor
) -> tuple[Tensor, Kept]:
    """Compute ``x + project(attention(x))`` of channels, see ``TransposedAttention``.

    Args:
        library: See ``image_parts.can_learn``.
        pixels: (B, H, W, C).
        norm: Applied first.
        weights: The temperature (heads, 1, 1), and the weights of the 1x1 convolution to 3 C
            channels, of their 3x3, and of the projection.
        wide: (B, H, W, 3 C), written to.

    Returns:
        The answer, and what the backward pass needs.
    """
    kept, answer = _room(pixels, weights[0], wide), torch.empty_like(pixels)
    given = _self_attention(pixels, norm, weights)
    library.image_self_attention_float32(*given, *_at(kept), answer.data_ptr())
    return answer, kept


def self_attention_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    norm: Norm,
    weights: Sequence[Tensor],
    kept: Kept,
    of_answer: Tensor,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Differentiate ``self_attention``.

    Args:
        library: See ``self_attention``.
        pixels: The same.
        norm: The same.
        weights: The same.
        kept: The same.
        of_answer: The answer's gradient.

    Returns:
        The gradients of the pixels, of the weights, and of the norm's weight and bias.
    """
    given = _self_attention(pixels, norm, weights)
    _check(of_answer, pixels.shape)
    of_pixels, of_norm = torch.empty_like(pixels), norm.weight.new_empty(2, len(norm.weight))
    own = [torch.empty_like(one) for one in weights]
    made = of_pixels, *own, of_norm
    library.image_self_attention_gradient_float32(
        *given, *_at(kept), of_answer.data_ptr(), *_at(made)
    )
    return of_pixels, own, list(of_norm.unbind())


def cross_attention(
    library: ctypes.CDLL, query: Tensor, source: Tensor, weights: Sequence[Tensor], wide: Tensor
) -> tuple[Tensor, Kept]:
    """Compute what one map asks of another, see ``TransposedCrossAttention``.

    Args:
        library: See ``image_parts.can_learn``.
        query: (B, H, W, C).
        source: The same.
        weights: The temperature, and the weights of the 1x1 and the 3x3 convolution of queries, of
            those of keys and values, and of the projection.
        wide: (B, H, W, 3 C), written to.

    Returns:
        The answer, and what the backward pass needs.
    """
    kept, answer = _room(source, weights[0], wide), torch.empty_like(source)
    given = _cross_attention(query, source, weights)
    library.image_cross_attention_float32(*given, *_at(kept), answer.data_ptr())
    return answer, kept


def cross_attention_gradient(
    library: ctypes.CDLL,
    query: Tensor,
    source: Tensor,
    weights: Sequence[Tensor],
    kept: Kept,
    of_answer: Tensor,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Differentiate ``cross_attention``.

    Args:
        library: See ``cross_attention``.
        query: The same.
        source: The same.
        weights: The same.
        kept: The same.
        of_answer: The answer's gradient.

    Returns:
        The gradients of both maps and of the weights.
    """
    given = _cross_attention(query, source, weights)
    _check(of_answer, source.shape)
    of_query, of_source = torch.empty_like(query), torch.empty_like(source)
    own = [torch.empty_like(one) for one in weights]
    made = of_query, of_source, *own
    library.image_cross_attention_gradient_float32(
        *given, *_at(kept), of_answer.data_ptr(), *_at(made)
    )
    return of_query, of_source, own


def _feed_forward(
    pixels: Tensor, norm: Norm, weights: Sequence[Tensor], wide: Tensor
) -> tuple[float | None, ...]:
    batch, height, width, channels = pixels.shape
    widen, taps, narrow = weights
    own = narrow.shape[1]
    half = -(-own // LANES) * LANES
    _check(pixels, pixels.shape)
    _check(wide, (batch, height, width, 2 * half))
    _check(widen, (2 * own, channels, 1, 1))
    _check(taps, (2 * own, 1, 3, 3))
    _check(narrow, (channels, own, 1, 1))
    at = _at((widen, taps, narrow))
    shared = parts(batch, height * width, 2 * half)
    sizes = batch, height, width, channels, own
    return (pixels.data_ptr(), *sizes, *_norm(norm, channels), *at, *shared)


def _self_attention(
    pixels: Tensor, norm: Norm, weights: Sequence[Tensor]
) -> tuple[float | None, ...]:
    dim = pixels.shape[3]
    temperature, widen, taps, project = weights
    _check(pixels, pixels.shape)
    _check(widen, (3 * dim, dim, 1, 1))
    _check(taps, (3 * dim, 1, 3, 3))
    _check(project, (dim, dim, 1, 1))
    sizes = _sizes(pixels, temperature)
    return (pixels.data_ptr(), *_norm(norm, dim), *_at(weights), *sizes)


def _cross_attention(
    query: Tensor, source: Tensor, weights: Sequence[Tensor]
) -> tuple[float | None, ...]:
    dim = source.shape[3]
    temperature, ask, ask_taps, tell, tell_taps, project = weights
    _check(query, source.shape)
    _check(source, source.shape)
    for times, one, its_taps in ((1, ask, ask_taps), (2, tell, tell_taps)):
        _check(one, (times * dim, dim, 1, 1))
        _check(its_taps, (times * dim, 1, 3, 3))
    _check(project, (dim, dim, 1, 1))
    return (*_at((query, source, *weights)), *_sizes(source, temperature))


def _sizes(pixels: Tensor, temperature: Tensor) -> tuple[int, ...]:
    batch, height, width, dim = pixels.shape
    heads = temperature.numel()
    assert not dim % heads and temperature.dtype == torch.float32 and temperature.is_contiguous()
    return batch, height, width, dim, heads, *parts(batch, height * width, 3 * dim)


def _room(pixels: Tensor, temperature: Tensor, wide: Tensor) -> Kept:
    batch, dim, heads = len(pixels), pixels.shape[3], temperature.numel()
    _check(wide, (*pixels.shape[:3], 3 * dim))
    size = dim // heads
    product = pixels.new_empty(batch, heads, size, size)
    return Kept(wide, torch.empty_like(pixels), product, pixels.new_empty(batch, 2 * dim))


def _norm(norm: Norm, channels: int) -> tuple[int | None, int | None, float]:
    _check(norm.weight, (channels,))
    if norm.bias is None:
        return norm.weight.data_ptr(), None, norm.eps
    _check(norm.bias, (channels,))
    return norm.weight.data_ptr(), norm.bias.data_ptr(), norm.eps


def _check(x: Tensor, shape: Sequence[int]) -> None:
    assert x.dtype == torch.float32 and x.is_contiguous() and x.shape == torch.Size(shape)


def _at(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(one.data_ptr() for one in tensors)
