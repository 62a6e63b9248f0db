"""The kernels of routed perceptrons as functions of tensors, all float32 and contiguous."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor

from irbox.native.library import LANES


class Perceptrons(NamedTuple):
    """The weights of N perceptrons, ``second gelu(first x + first_bias) + second_bias``.

    The hidden width H is a multiple of 16, by zeros where need be, and so is C.
    """

    first: Tensor
    """(N, H, C)."""
    first_bias: Tensor
    """(N, H)."""
    second: Tensor
    """(N, C, H)."""
    second_bias: Tensor
    """(N, C)."""


def experts(
    library: ctypes.CDLL,
    pixels: Tensor,
    weights: Tensor,
    own: Perceptrons,
    base: Tensor | None,
    out: Tensor | None = None,
    log: bool = False,
) -> Tensor:
    """Add up what perceptrons make of the pixels that are routed to them.

    Args:
        library: See ``native``.
        pixels: (P, C).
        weights: (P, N), of the answers; a perceptron is asked where its weight is not zero.
        own: The perceptrons', matrices in any order of memory: turned ones are read as they are.
        base: (P, C), added to the sum, or None.
        out: (P, C), written to, or None.
        log: Take the logarithm of the weighted sum of the answers' exponentials instead.

    Returns:
        (P, C).
    """
    sizes = _sizes(pixels, weights, own)
    answer = torch.empty_like(pixels) if out is None else _checked(out, pixels)
    first, second = (one.transpose(1, 2).contiguous() for one in (own.first, own.second))
    library.experts_float32(
        pixels.data_ptr(), None if base is None else _checked(base, pixels).data_ptr(),
        weights.data_ptr(), *sizes, int(log), first.data_ptr(), own.first_bias.data_ptr(),
        second.data_ptr(), own.second_bias.data_ptr(), answer.data_ptr(), torch.get_num_threads(),
    )  # fmt: skip
    return answer


def experts_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    weights: Tensor,
    own: Perceptrons,
    adds: bool,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Perceptrons]:
    """Differentiate ``experts``.

    Args:
        library: See ``native``.
        pixels: See ``experts``.
        weights: The same.
        own: The same.
        adds: Whether the pixels were the base as well.
        grad: (P, C), of the answer.

    Returns:
        The gradients of the pixels; of the weights, zero where those are; of the perceptrons.
    """
    sizes = _sizes(pixels, weights, own)
    of_pixels, of_weights = torch.empty_like(pixels), torch.empty_like(weights)
    number, hidden, channels = own.first.shape
    assert own.first.is_contiguous() and own.second.is_contiguous()
    found = pixels.new_empty(number, 2 * hidden * channels + hidden + channels)
    first = own.first.transpose(1, 2).contiguous()
    library.experts_gradient_float32(
        pixels.data_ptr(), int(adds), weights.data_ptr(), _checked(grad, pixels).data_ptr(), *sizes,
        first.data_ptr(), own.first_bias.data_ptr(), own.first.data_ptr(), own.second.data_ptr(),
        own.second_bias.data_ptr(), of_pixels.data_ptr(), of_weights.data_ptr(), found.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    matrix = hidden * channels
    parts = torch.split(found, [matrix, hidden, matrix, channels], 1)
    shaped = (part.reshape(one.shape) for part, one in zip(parts, own, strict=True))
    return of_pixels, of_weights, Perceptrons(*shaped)


def _sizes(pixels: Tensor, weights: Tensor, own: Perceptrons) -> tuple[int, int, int, int]:
    """Pixels, channels, perceptrons and hidden width, after a look at everything."""
    (count, channels), (number, hidden, _) = pixels.shape, own.first.shape
    assert not channels % LANES and not hidden % LANES
    assert weights.shape == (count, number) and own.second.shape == (number, channels, hidden)
    assert own.first_bias.shape == (number, hidden) and own.second_bias.shape == (number, channels)
    for one in (pixels, weights, own.first_bias, own.second_bias):
        assert one.is_contiguous() and one.dtype == torch.float32
    assert own.first.dtype == own.second.dtype == torch.float32
    return count, channels, number, hidden


def _checked(x: Tensor, pixels: Tensor) -> Tensor:
    assert x.is_contiguous() and x.shape == pixels.shape and x.dtype == pixels.dtype
    return x
