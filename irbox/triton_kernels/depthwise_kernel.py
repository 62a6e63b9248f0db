"""A depthwise convolution and what follows it pixel by pixel, as one Triton kernel.

3x3 with zeros around the map, then nothing, a sigmoid, GELU, or one half gating the other: the wide
map is read once and what is convolved is never written down. A program owns a run of columns of
some rows, and of channels, whose weights it keeps; it goes down the rows, and each that it reads is
added to the three answers that it is a neighbour of. What it waits for is its own instructions, so
that a thread makes two pixels side by side of the four that it reads, and distances are known when
it is compiled: half the instructions of one pixel of three. For a backward pass the gate is
computed once more, and differentiated where it is.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import (
    ACTIVATIONS,
    CONVOLVED_CHANNELS,
    CONVOLVED_PIXELS,
    rows_each,
)
from irbox.triton_kernels.tiles import beyond, gelu, row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def read_four(place, stride: tl.constexpr, is_row, before, even, odd, after):  # type: ignore[no-untyped-def]
    """Read pixels of a row: an even and an odd one, what is left of them and what is right."""
    a = tl.load(place - stride, mask=is_row & before, other=0.0)
    b = tl.load(place, mask=is_row & even, other=0.0)
    c = tl.load(place + stride, mask=is_row & odd, other=0.0)
    d = tl.load(place + 2 * stride, mask=is_row & after, other=0.0)
    return a, b, c, d


@triton.jit
def inside_of(col, width, is_there):  # type: ignore[no-untyped-def]
    """Tell which of ``read_four``'s pixels are in the map, given the even ones' columns."""
    even = (col < width)[:, None] & is_there
    before = even & (col > 0)[:, None]
    return (
        before,
        even,
        (col + 1 < width)[:, None] & is_there,
        (col + 2 < width)[:, None] & is_there,
    )


@triton.jit  # type: ignore[untyped-decorator]
def read_taps(weight, c, tap: tl.constexpr, is_channel):  # type: ignore[no-untyped-def]
    """Read three weights of each channel, (1, C) each."""
    place = weight + c * 9 + tap
    first = tl.load(place, mask=is_channel, other=0.0).to(tl.float32)
    second = tl.load(place + 1, mask=is_channel, other=0.0).to(tl.float32)
    third = tl.load(place + 2, mask=is_channel, other=0.0).to(tl.float32)
    return first[None, :], second[None, :], third[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _read_shift(bias, c, is_channel, has_bias: tl.constexpr, channels: tl.constexpr):  # type: ignore[no-untyped-def]
    """Read a bias, or zeros, (1, C)."""
    shift = tl.zeros([1, channels], tl.float32)
    if has_bias:
        shift += tl.load(bias + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    return shift


@triton.jit
def _gelu_and_slope(x):  # type: ignore[no-untyped-def]
    below = beyond(x)
    density = tl.exp2(x * x * -0.7213475204444817) * 0.3989422804014327
    slope = tl.where(x > 0.0, 1.0 - below, below) + x * density
    return tl.maximum(x, 0.0) - tl.abs(x) * below, slope


@triton.jit  # type: ignore[untyped-decorator]
def _activate(x, activation: tl.constexpr):  # type: ignore[no-untyped-def]
    if activation == 1:
        x = tl.sigmoid(x)
    if activation == 2:
        x = gelu(x)
    return x


@triton.jit(do_not_specialize=['height', 'width', 'channels'])  # type: ignore[untyped-decorator]
def _depthwise_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    of_gated,
    out,
    of_convolved,
    height,
    width,
    channels,
    given_width,
    x_stride: tl.constexpr,
    given_stride: tl.constexpr,
    out_stride: tl.constexpr,
    out_width: tl.constexpr,
    branch_stride: tl.constexpr,
    has_bias: tl.constexpr,
    gates: tl.constexpr,
    differentiates: tl.constexpr,
    activation: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_pairs: tl.constexpr,
    tile_channels: tl.constexpr,
    rows_at_once: tl.constexpr,
):
    tiles = tl.cdiv(out_width, tile_channels)
    # Channels of the same pixels are neighbours: what they share of the map is in the cache.
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    col = ((tl.program_id(0) // tiles) * tile_pairs + tl.arange(0, tile_pairs)) * 2
    # Padding is read too, so that loads are whole vectors: its weights are zero.
    is_channel = c < channels
    before, even, odd, after = inside_of(col, width, (c < out_width)[None, :])
    first = tl.program_id(1) * tile_rows
    last = tl.minimum(first + tile_rows, height)
    line = (tl.program_id(2).to(tl.int64) * height + first - 1) * width
    place = x + line * x_stride + (col[:, None] * x_stride + c[None, :])
    to = out + (line - width) * out_stride + (col[:, None] * out_stride + c[None, :])
    a0, a1, a2 = read_taps(weight, c, 0, is_channel)
    a3, a4, a5 = read_taps(weight, c, 3, is_channel)
    a6, a7, a8 = read_taps(weight, c, 6, is_channel)
    shift = _read_shift(bias, c, is_channel, has_bias, tile_channels)
    # What the rows read so far give to the next answer, and to the one after it.
    finished = tl.zeros([tile_pairs, tile_channels], tl.float32)
    begun, odd_finished, odd_begun = finished, finished, finished
    # A row is read while the one before it is computed.
    is_row = tl.zeros([1, 1], tl.int32) + first > 0
    p0, p1, p2, p3 = read_four(place, x_stride, is_row, before, even, odd, after)
    if gates:
        b0, b1, b2 = read_taps(weight, channels + c, 0, is_channel)
        b3, b4, b5 = read_taps(weight, channels + c, 3, is_channel)
        b6, b7, b8 = read_taps(weight, channels + c, 6, is_channel)
        other_shift = _read_shift(bias, channels + c, is_channel, has_bias, tile_channels)
        value_finished, value_begun = finished, finished
        odd_value_finished, odd_value_begun = finished, finished
        other = place + branch_stride
        q0, q1, q2, q3 = read_four(other, x_stride, is_row, before, even, odd, after)
    if differentiates:
        ask = of_gated + (line - width) * given_stride + (col[:, None] * given_stride + c[None, :])
        into = 2 * out_width
        back = of_convolved + (line - width) * into + (col[:, None] * into + c[None, :])
        is_known = (c < given_width)[None, :]
    for y in tl.range(first - 1, last + 1, loop_unroll_factor=rows_at_once):
        at = tl.zeros([1, 1], tl.int32) + y
        is_row = (at + 1 <= last) & (at + 1 < height)
        is_out = at > first
        place += width * x_stride
        n0, n1, n2, n3 = read_four(place, x_stride, is_row, before, even, odd, after)
        e0, e1, e2, e3 = p0.to(tl.float32), p1.to(tl.float32), p2.to(tl.float32), p3.to(tl.float32)
        answer = finished + e0 * a6 + e1 * a7 + e2 * a8
        finished = begun + e0 * a3 + e1 * a4 + e2 * a5
        begun = shift + e0 * a0 + e1 * a1 + e2 * a2
        odd_answer = odd_finished + e1 * a6 + e2 * a7 + e3 * a8
        odd_finished = odd_begun + e1 * a3 + e2 * a4 + e3 * a5
        odd_begun = shift + e1 * a0 + e2 * a1 + e3 * a2
        p0, p1, p2, p3 = n0, n1, n2, n3
        if gates:
            other = place + branch_stride
            n0, n1, n2, n3 = read_four(other, x_stride, is_row, before, even, odd, after)
            e0, e1, e2 = q0.to(tl.float32), q1.to(tl.float32), q2.to(tl.float32)
            e3 = q3.to(tl.float32)
            value = value_finished + e0 * b6 + e1 * b7 + e2 * b8
            value_finished = value_begun + e0 * b3 + e1 * b4 + e2 * b5
            value_begun = other_shift + e0 * b0 + e1 * b1 + e2 * b2
            odd_value = odd_value_finished + e1 * b6 + e2 * b7 + e3 * b8
            odd_value_finished = odd_value_begun + e1 * b3 + e2 * b4 + e3 * b5
            odd_value_begun = other_shift + e1 * b0 + e2 * b1 + e3 * b2
            q0, q1, q2, q3 = n0, n1, n2, n3
        if differentiates:
            known = is_out & is_known
            given = tl.load(ask, mask=known & even, other=0.0).to(tl.float32)
            odd_given = tl.load(ask + given_stride, mask=known & odd, other=0.0).to(tl.float32)
            answer, slope = _gelu_and_slope(answer)
            odd_answer, odd_slope = _gelu_and_slope(odd_answer)
            # What is padding is zero: its weights are, and what it is given.
            tl.store(back, given * value * slope, mask=is_out & even)
            tl.store(back + out_width, given * answer, mask=is_out & even)
            tl.store(back + into, odd_given * odd_value * odd_slope, mask=is_out & odd)
            tl.store(back + into + out_width, odd_given * odd_answer, mask=is_out & odd)
            ask += width * given_stride
            back += width * into
        else:
            answer = _activate(answer, activation)
            odd_answer = _activate(odd_answer, activation)
        if gates:
            answer *= value
            odd_answer *= odd_value
        if activation == 1:  # of nothing it is a half
            answer = tl.where(is_channel[None, :], answer, 0.0)
            odd_answer = tl.where(is_channel[None, :], odd_answer, 0.0)
        tl.store(to, answer, mask=is_out & even)
        tl.store(to + out_stride, odd_answer, mask=is_out & odd)
        to += width * out_stride


def depthwise(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    height: int,
    width: int,
    gates: bool,
    activation: int,
    out: Tensor,
) -> None:
    """Run the kernel, described by `operators.depthwise`, and write into ``out``."""
    _run(rows, weight, bias, None, height, width, gates, activation, out, None)


def gate_gradient(
    wide: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    of_gated: Tensor,
    height: int,
    width: int,
    gated: Tensor,
    of_convolved: Tensor,
) -> None:
    """Run the kernel, described by `gradient_operators.gate_gradient`."""
    activation = ACTIVATIONS['gelu']
    _run(wide, weight, bias, of_gated, height, width, True, activation, gated, of_convolved)


def _run(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    of_gated: Tensor | None,
    height: int,
    width: int,
    gates: bool,
    activation: int,
    out: Tensor,
    of_convolved: Tensor | None,
) -> None:
    channels = weight.shape[0] // (2 if gates else 1)
    pixels, out_width = out.shape
    # Two channels of two pixels a thread: few enough registers that many are at work.
    tile_channels = tile_of(out_width, CONVOLVED_CHANNELS)
    across = triton.cdiv(width, CONVOLVED_PIXELS) * triton.cdiv(out_width, tile_channels)
    images = pixels // (height * width)
    rows_of_one = rows_each(height, width, images, out_width)
    _depthwise_kernel[across, triton.cdiv(height, rows_of_one), images](
        rows,
        weight,
        bias,
        of_gated,
        out,
        of_convolved,
        height,
        width,
        channels,
        0 if of_gated is None else of_gated.shape[1],
        x_stride=row_stride(rows),
        given_stride=row_stride(of_gated),
        out_stride=row_stride(out),
        out_width=out_width,
        branch_stride=rows.shape[1] // 2,
        has_bias=bias is not None,
        gates=gates,
        differentiates=of_gated is not None,
        activation=activation,
        tile_rows=rows_of_one,
        tile_pairs=CONVOLVED_PIXELS // 2,
        tile_channels=tile_channels,
        rows_at_once=1 if of_gated is not None else 2,
        num_warps=4,
    )
