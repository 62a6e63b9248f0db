"""Forward passes of whole layers, strip by strip, in one call.

In bfloat16 norms, 3x3s and biases have float32 weights, and no wide map is kept.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from irbox.native import products
from irbox.native.library import LANES
from irbox.native.operators import KINDS


@dataclass(frozen=True)
class Norm:
    """A ``LayerNorm2d`` in front of a layer.

    Attributes:
        weight: (C,).
        bias: The same, or None, where the mean is not subtracted either.
        eps: Added to the variance.
    """

    weight: Tensor
    bias: Tensor | None
    eps: float


@dataclass(frozen=True)
class Layer:
    """A map that is normalised and widened by a 1x1 convolution, and the 3x3 of the wide map.

    All contiguous; C and C' are multiples of 16.

    Attributes:
        pixels: (B, H, W, C), the layer's input, float32 or bfloat16.
        kept: (B, H, W, C'), the wide map, float32, or (B, H + 2, W, C'), see ``strips.kept_map``;
            None where it is not wanted afterwards.
        together: Images of a strip; where the map has rows around it, and where it is not kept,
            rows of a strip.
        taps: (9, C'), see ``operators.taps``.
        shift: (C',), the 3x3's bias, or None.
        norm: Applied to the pixels first, or None.
        across: Columns of a strip where the wide map is not kept, up to whole runs of kernels;
            None: all.
    """

    pixels: Tensor
    kept: Tensor | None
    together: int
    taps: Tensor
    shift: Tensor | None
    norm: Norm | None
    across: int | None = None

    @property
    def wide(self) -> int:
        """Give C'."""
        return self.taps.shape[1]

    def as_kernels_have_it(self) -> _Layer:
        """Lay it out for a call, during which this must live."""
        batch, height, width, channels = self.pixels.shape
        margin = 1 if self.kept is None else (self.kept.shape[1] - height) // 2
        assert not channels % LANES and not self.wide % LANES
        assert self.together > 0 and self.across != 0
        check(self.pixels.shape, self.pixels, dtype=self.pixels.dtype)
        assert self.kept is None or self.pixels.dtype == torch.float32
        check((batch, height + 2 * margin, width, self.wide), self.kept)
        check((9, self.wide), self.taps)
        check((self.wide,), self.shift)
        norm = self.norm
        if norm is not None:
            check((channels,), norm.weight, norm.bias)
        return _Layer(
            at(self.pixels), batch, height, width, channels, self.wide, at(self.kept), margin,
            self.together, self.across or width, at(self.taps), at(self.shift),
            None if norm is None else at(norm.weight), None if norm is None else at(norm.bias),
            0.0 if norm is None else norm.eps, torch.get_num_threads(),
        )  # fmt: skip


@dataclass(frozen=True)
class Widening:
    """The 1x1 convolution of a ``Layer``.

    Attributes:
        layer: With memory for the wide map.
        weight: (C', C), in the dtype of the pixels.
        bias: (C',), float32, or None.
    """

    layer: Layer
    weight: Tensor
    bias: Tensor | None


class _Layer(ctypes.Structure):
    _fields_ = (
        ('pixels', ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ('images', 'height', 'width', 'channels', 'wide')),
        ('kept', ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ('margin', 'together', 'across')),
        *((name, ctypes.c_void_p) for name in ('taps', 'shift', 'scale', 'offset')),
        ('eps', ctypes.c_double),
        ('threads', ctypes.c_int64),
    )


def feed_forward(
    library: ctypes.CDLL, by: Widening, narrow: Tensor, bias: Tensor | None, answer: Tensor
) -> None:
    """Compute a feed-forward layer: a wide map, a gate, and a 1x1 convolution back.

    Args:
        library: See ``native``; it multiplies (``products.taken_at_once``).
        by: Its first half.
        narrow: (C, C' / 2), of the last convolution.
        bias: (C,), float32, or None.
        answer: (B, H, W, C), contiguous, written to; with a norm the input is added. Where the wide
            map is not kept it may be the input.
    """
    channels, dtype = by.layer.pixels.shape[3], by.layer.pixels.dtype
    assert not by.layer.wide // 2 % LANES
    check((channels, by.layer.wide // 2), narrow, dtype=dtype)
    check((channels,), bias)
    check(by.layer.pixels.shape, answer, dtype=dtype)
    packed = _packed(narrow)
    _call(library, 'feed_forward', by, at(packed), at(bias), at(answer))


def attention_sums(
    library: ctypes.CDLL, by: Widening, values: Tensor, product: Tensor, squares: Tensor
) -> None:
    """Compute values, and what attention across channels weighs them by.

    Args:
        library: See ``feed_forward``.
        by: The first half of the layer, C' = 3 C: queries, keys and values.
        values: (B, H, W, C), contiguous, written to; where the wide map is not kept it may be the
            input.
        product: (B, heads, c, c), what ``q^T k`` is added to, float32; c is a multiple of 16.
        squares: (B, 2 C), what the squares of queries and keys are added to, float32.
    """
    batch, _, _, channels = by.layer.pixels.shape
    heads, size = product.shape[1:3]
    assert by.layer.wide == 3 * channels and heads * size == channels and not size % LANES
    check(by.layer.pixels.shape, values, dtype=by.layer.pixels.dtype)
    check((batch, heads, size, size), product)
    check((batch, 2 * channels), squares)
    _call(library, 'attention_sums', by, heads, at(values), at(product), at(squares))


def mask(library: ctypes.CDLL, by: Widening, answer: Tensor) -> None:
    """Compute the sigmoid of a convolved map into ``answer``, (B, H, W, C'), contiguous."""
    shape = *by.layer.pixels.shape[:3], by.layer.wide
    check(shape, answer, dtype=by.layer.pixels.dtype)
    _call(library, 'mask_layer', by, at(answer))


def gated_answer(
    library: ctypes.CDLL,
    pixels: Tensor,
    norm: Norm,
    values: Tensor,
    attention: tuple[Tensor, Tensor | None],
    gate: tuple[Tensor, Tensor | None],
    last: tuple[Tensor, Tensor | None],
    together: int,
    kept: tuple[Tensor | None, Tensor | None],
) -> Tensor:
    """Compute ``pixels + last(attention * sigmoid(gate(norm(pixels))))``.

    Args:
        library: See ``feed_forward``.
        pixels: (B, H, W, C), contiguous.
        norm: Of the pixels.
        values: As ``pixels``.
        attention: What each image's values are multiplied by, (B, C_out, C), C_out = C, in the
            dtype of the pixels, and a bias, float32, or None.
        gate: Weight (C, C) and bias (C,), the same.
        last: The same.
        together: How many pixels are a strip, at most.
        kept: As ``pixels``, written to: attention's answer and the gate, where they are wanted.

    Returns:
        As ``pixels``.
    """
    batch, height, width, channels = pixels.shape
    answer, dtype = torch.empty_like(pixels), pixels.dtype
    assert not channels % LANES and together > 0
    check(pixels.shape, pixels, values, *kept, dtype=dtype)
    check((batch, channels, channels), attention[0], dtype=dtype)
    check((channels, channels), gate[0], last[0], dtype=dtype)
    check((channels,), norm.weight, norm.bias, attention[1], gate[1], last[1])
    weights = [_packed(one[0]) for one in (attention, gate, last)]
    getattr(library, f'gated_answer_{KINDS[dtype]}')(
        at(pixels), batch, height * width, channels, together, at(norm.weight), at(norm.bias),
        norm.eps, at(values), at(weights[0]), at(attention[1]), at(weights[1]), at(gate[1]),
        at(weights[2]), at(last[1]), *map(at, kept), at(answer), torch.get_num_threads(),
    )  # fmt: skip
    return answer


def check(shape: Any, *tensors: Tensor | None, dtype: torch.dtype = torch.float32) -> None:
    """See that tensors are what a kernel reads: of a shape and a dtype, contiguous."""
    for one in tensors:
        assert one is None or (one.is_contiguous() and one.dtype == dtype)
        assert one is None or one.shape == shape


def at(x: Tensor | None) -> int | None:
    """Say where a tensor is."""
    return None if x is None else x.data_ptr()


def _packed(weight: Tensor) -> Tensor:
    """Lay out a matrix, or several, (..., N, K), as products read it."""
    taken = 2 if weight.dtype == torch.bfloat16 else 1
    if weight.dim() == 2:
        return products.pack(weight, taken)
    return torch.stack([products.pack(one, taken) for one in weight])


def _call(library: ctypes.CDLL, kernel: str, by: Widening, *rest: int | None) -> None:
    pixels, wide = by.layer.pixels, by.layer.wide
    check((wide, pixels.shape[3]), by.weight, dtype=pixels.dtype)
    check((wide,), by.bias)
    packed = _packed(by.weight)
    matrix = _Matrix(at(packed), at(by.bias))
    given = ctypes.byref(by.layer.as_kernels_have_it()), ctypes.byref(matrix)
    getattr(library, f'{kernel}_{KINDS[pixels.dtype]}')(*given, *rest)


class _Matrix(ctypes.Structure):
    _fields_ = (('matrix', ctypes.c_void_p), ('bias', ctypes.c_void_p))
