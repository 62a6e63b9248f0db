"""Backward passes of whole layers, strip by strip, in one call of the kernels each. float32."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from irbox.native.layers import Layer, Norm, at, check
from irbox.native.library import LANES


@dataclass(frozen=True)
class Gradients:
    """What a layer's backward pass goes through and where its gradients go: a ``Layer``'s.

    All float32 and contiguous. Gradients of weights are added to.

    Attributes:
        weight: (C', C), of the 1x1 convolution.
        base: (B, H, W, C), what is added to the gradient of the pixels, where there is a norm.
        of_pixels: The same, written to. It may be ``base``.
        of_weight: As ``weight``.
        of_bias: (C',), or None.
        of_taps: (10, C'), of the taps and of the 3x3's bias.
        of_norm: (2, C), of the norm's weight and bias, or None without one.
    """

    weight: Tensor
    base: Tensor
    of_pixels: Tensor
    of_weight: Tensor
    of_bias: Tensor | None
    of_taps: Tensor
    of_norm: Tensor | None

    def as_kernels_have_it(self, layer: Layer) -> _Gradients:
        """Lay it out for a call, during which this must live."""
        channels, wide = layer.pixels.shape[3], layer.wide
        check((wide, channels), self.weight, self.of_weight)
        check(layer.pixels.shape, self.base, self.of_pixels)
        check((wide,), self.of_bias)
        check((10, wide), self.of_taps)
        check((2, channels), self.of_norm)
        assert (layer.norm is None) == (self.of_norm is None)
        return _Gradients(
            at(self.weight), at(self.base), at(self.of_pixels), at(self.of_weight),
            at(self.of_bias), at(self.of_taps), at(self.of_norm),
        )  # fmt: skip


class _Gradients(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ('matrix', 'base', 'of_pixels', 'of_matrix', 'of_bias', 'of_taps', 'of_norm')
    )


def feed_forward_gradient(
    library: ctypes.CDLL,
    layer: Layer,
    gradients: Gradients,
    of_answer: Tensor,
    narrow: Tensor,
    of_narrow: Tensor,
    of_bias: Tensor | None,
) -> None:
    """Differentiate a feed-forward layer: a wide map, a gate, and a 1x1 convolution back.

    Args:
        library: See ``native``; it multiplies (``products.taken_at_once``).
        layer: Its first half.
        gradients: Of that.
        of_answer: (B, H, W, C), contiguous.
        narrow: (C, C' / 2), of the last convolution.
        of_narrow: The same, its gradient, added to.
        of_bias: (C,), that of its bias, the same, or None.
    """
    channels, wide = layer.pixels.shape[3], layer.wide
    assert not wide // 2 % LANES
    check(layer.pixels.shape, of_answer)
    check((channels, wide // 2), narrow, of_narrow)
    check((channels,), of_bias)
    given = at(of_answer), at(narrow), at(of_narrow), at(of_bias)
    _call(library.feed_forward_gradient_float32, layer, gradients, *given)


def attention_gradient(
    library: ctypes.CDLL,
    layer: Layer,
    gradients: Gradients,
    of_answer: Tensor,
    matrix: Tensor,
    of_product: Tensor,
    twice: Tensor,
) -> None:
    """Differentiate attention across channels, once its small matrices are.

    Args:
        library: See ``feed_forward_gradient``.
        layer: Its first half, C' = 3 C: queries, keys and values.
        gradients: Of that.
        of_answer: (B, H, W, C), contiguous.
        matrix: (B, C, C), what values are multiplied by.
        of_product: (B, heads, c, c), of ``q^T k``; c is a multiple of 16.
        twice: (B, 2 C), twice the gradients of the squares of queries and keys.
    """
    batch, _, _, channels = layer.pixels.shape
    heads, size = of_product.shape[1:3]
    assert layer.wide == 3 * channels and heads * size == channels and not size % LANES
    of_values, turned = matrix.mT.contiguous(), of_product.mT.contiguous()
    of_product, twice = of_product.contiguous(), twice.contiguous()
    check(layer.pixels.shape, of_answer)
    check((batch, channels, channels), of_values)
    check((batch, heads, size, size), of_product, turned)
    check((batch, 2 * channels), twice)
    given = at(of_answer), at(of_values), heads, at(of_product), at(turned), at(twice)
    _call(library.attention_gradient_float32, layer, gradients, *given)


def mask_gradient(
    library: ctypes.CDLL, layer: Layer, gradients: Gradients, mask: Tensor, of_mask: Tensor
) -> None:
    """Differentiate the sigmoid of a convolved map.

    Args:
        library: See ``feed_forward_gradient``.
        layer: What is convolved.
        gradients: Of that.
        mask: (B, H, W, C'), the sigmoid, contiguous.
        of_mask: The same, its gradient.
    """
    check((*layer.pixels.shape[:3], layer.wide), mask, of_mask)
    _call(library.mask_gradient_float32, layer, gradients, at(mask), at(of_mask))


def gated_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    norm: Norm,
    maps: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    together: int,
    of_pixels: Tensor,
    sums: tuple[Tensor, Tensor | None, Tensor, Tensor | None, Tensor],
) -> Tensor:
    """Differentiate ``last(opened * attended)``, ``opened`` being a gate of normalised pixels.

    Args:
        library: See ``feed_forward_gradient``.
        pixels: (B, H, W, C), contiguous.
        norm: Of the pixels.
        maps: The answer's gradient, ``attended`` and ``opened``, as ``pixels``.
        weights: (C, C), of the 1x1 convolutions that make the gate's logits and the answer.
        together: How many pixels are a strip.
        of_pixels: As ``pixels``, written to: their gradient plus the answer's.
        sums: The gradients of those and of their biases, (C,), and of the norm, (2, C), added to.

    Returns:
        The gradient of ``attended``.
    """
    channels = pixels.shape[3]
    of_attended = torch.empty_like(pixels)
    assert not channels % LANES and together > 0
    check(pixels.shape, pixels, of_pixels, *maps)
    check((channels, channels), *weights, sums[0], sums[2])
    check((channels,), norm.weight, norm.bias, sums[1], sums[3])
    check((2, channels), sums[4])
    library.gated_gradient_float32(
        at(pixels), pixels.numel() // channels, channels, together, at(norm.weight),
        at(norm.bias), norm.eps, *map(at, maps), *map(at, weights), at(of_attended),
        at(of_pixels), *map(at, sums), torch.get_num_threads(),
    )  # fmt: skip
    return of_attended


def _call(kernel: Any, layer: Layer, gradients: Gradients, *rest: int | None) -> None:
    there, to = layer.as_kernels_have_it(), gradients.as_kernels_have_it(layer)
    kernel(ctypes.byref(there), ctypes.byref(to), *rest)
