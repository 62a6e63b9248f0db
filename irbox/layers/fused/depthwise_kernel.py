"""A depthwise convolution and what follows it pixel by pixel, as one Triton kernel.

3x3 with zeros around the map, then nothing, a sigmoid, GELU, or one half gating the other: the wide
map is read once and what is convolved is never written down. A program owns a run of columns of
some rows, and of channels, whose weights it keeps; it goes down the rows, and each that it reads is
added to the three answers that it is a neighbour of. For a backward pass the gate is computed once
more, and differentiated where it is.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.sizes import (
    ACTIVATIONS,
    CONVOLVED_CHANNELS,
    CONVOLVED_PIXELS,
    rows_each,
)
from irbox.layers.fused.tiles import row_stride, tile_of


@triton.jit
def read_row(x, line, col, c, is_there, is_channel, width, stride):  # type: ignore[no-untyped-def]
    """Read a row of a map three times: what is left of its pixels, they, and what is right."""
    place = x + (line + col)[:, None] * stride + c[None, :]
    wanted = is_channel[None, :]
    left = tl.load(place - stride, mask=(is_there & (col > 0))[:, None] & wanted, other=0.0)
    middle = tl.load(place, mask=is_there[:, None] & wanted, other=0.0)
    right = tl.load(
        place + stride, mask=(is_there & (col + 1 < width))[:, None] & wanted, other=0.0
    )
    return left, middle, right


@triton.jit  # type: ignore[untyped-decorator]
def read_taps(weight, c, tap: tl.constexpr, is_channel):  # type: ignore[no-untyped-def]
    """Read three weights of each channel, (1, C) each."""
    place = weight + c * 9 + tap
    first = tl.load(place, mask=is_channel, other=0.0).to(tl.float32)
    second = tl.load(place + 1, mask=is_channel, other=0.0).to(tl.float32)
    third = tl.load(place + 2, mask=is_channel, other=0.0).to(tl.float32)
    return first[None, :], second[None, :], third[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _activate(x, activation: tl.constexpr):  # type: ignore[no-untyped-def]
    if activation == 1:
        x = tl.sigmoid(x)
    if activation == 2:
        x = 0.5 * x * (1.0 + tl.math.erf(x * 0.7071067811865476))
    return x


@triton.jit
def _gelu_slope(x):  # type: ignore[no-untyped-def]
    below = 0.5 * (1.0 + tl.math.erf(x * 0.7071067811865476))
    return below + x * tl.exp(-0.5 * x * x) * 0.3989422804014327


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
    x_stride,
    given_width,
    given_stride,
    out_stride,
    out_width,
    branch_stride,
    has_bias: tl.constexpr,
    gates: tl.constexpr,
    differentiates: tl.constexpr,
    activation: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(out_width, tile_channels)
    # Channels of the same pixels are neighbours: what they share of the map is in the cache.
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    col = (tl.program_id(0) // tiles) * tile_pixels + tl.arange(0, tile_pixels)
    # Padding is read too, so that loads are whole vectors: its weights are zero.
    is_pixel, is_there, is_channel = col < width, c < out_width, c < channels
    first = tl.program_id(1) * tile_rows
    line = (tl.program_id(2).to(tl.int64) * height + first - 1) * width
    a0, a1, a2 = read_taps(weight, c, 0, is_channel)
    a3, a4, a5 = read_taps(weight, c, 3, is_channel)
    a6, a7, a8 = read_taps(weight, c, 6, is_channel)
    shift = tl.zeros([1, tile_channels], tl.float32)
    if has_bias:
        shift += tl.load(bias + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    finished = tl.zeros([tile_pixels, tile_channels], tl.float32)
    begun = finished
    if gates:
        b0, b1, b2 = read_taps(weight, channels + c, 0, is_channel)
        b3, b4, b5 = read_taps(weight, channels + c, 3, is_channel)
        b6, b7, b8 = read_taps(weight, channels + c, 6, is_channel)
        other_shift = tl.zeros([1, tile_channels], tl.float32)
        if has_bias:
            others = bias + channels + c
            other_shift += tl.load(others, mask=is_channel, other=0.0).to(tl.float32)[None, :]
        other_finished = finished
        other_begun = finished
    # A row is read while the one before it is computed.
    is_row = is_pixel & (tl.zeros([tile_pixels], tl.int32) + first > 0)
    left, middle, right = read_row(x, line, col, c, is_row, is_there, width, x_stride)
    if gates:
        other = x + branch_stride
        p, q, r = read_row(other, line, col, c, is_row, is_there, width, x_stride)
    last = tl.minimum(first + tile_rows, height)
    for y in range(first - 1, last + 1):
        at = tl.zeros([tile_pixels], tl.int32) + y
        is_row = is_pixel & (at + 1 <= last) & (at + 1 < height)
        line += width
        next_left, next_middle, next_right = read_row(
            x, line, col, c, is_row, is_there, width, x_stride
        )
        left, middle, right = left.to(tl.float32), middle.to(tl.float32), right.to(tl.float32)
        answer = finished + left * a6 + middle * a7 + right * a8 + shift
        finished = begun + left * a3 + middle * a4 + right * a5
        begun = left * a0 + middle * a1 + right * a2
        opening = answer
        answer = _activate(answer, activation)
        row = line - 2 * width + col
        is_out = (is_pixel & (at > first))[:, None] & is_there[None, :]
        left, middle, right = next_left, next_middle, next_right
        if gates:
            next_p, next_q, next_r = read_row(
                other, line, col, c, is_row, is_there, width, x_stride
            )
            p, q, r = p.to(tl.float32), q.to(tl.float32), r.to(tl.float32)
            value = other_finished + p * b6 + q * b7 + r * b8 + other_shift
            if differentiates:
                place = of_gated + row[:, None] * given_stride + c[None, :]
                known = is_out & (c < given_width)[None, :]
                given = tl.load(place, mask=known, other=0.0).to(tl.float32)
                slope = _gelu_slope(opening)
                place = of_convolved + row[:, None] * (2 * out_width) + c[None, :]
                of_opening = tl.where(is_channel[None, :], given * value * slope, 0.0)
                tl.store(place, of_opening, mask=is_out)
                of_value = tl.where(is_channel[None, :], given * answer, 0.0)
                tl.store(place + out_width, of_value, mask=is_out)
            answer *= value
            other_finished = other_begun + p * b3 + q * b4 + r * b5
            other_begun = p * b0 + q * b1 + r * b2
            p, q, r = next_p, next_q, next_r
        answer = tl.where(is_channel[None, :], answer, 0.0)
        place = out + row[:, None] * out_stride + c[None, :]
        tl.store(place, answer, mask=is_out)


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
    gelu = ACTIVATIONS['gelu']
    _run(wide, weight, bias, of_gated, height, width, True, gelu, gated, of_convolved)


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
    # Four channels of a pixel a thread: as many as it can keep the weights of, 36 or 72.
    tile = {
        'tile_pixels': CONVOLVED_PIXELS,
        'tile_channels': tile_of(out_width, CONVOLVED_CHANNELS),
    }
    across = triton.cdiv(width, tile['tile_pixels']) * triton.cdiv(out_width, tile['tile_channels'])
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
        row_stride(rows),
        0 if of_gated is None else of_gated.shape[1],
        row_stride(of_gated),
        row_stride(out),
        out_width,
        rows.shape[1] // 2,
        has_bias=bias is not None,
        gates=gates,
        differentiates=of_gated is not None,
        activation=activation,
        tile_rows=rows_of_one,
        **tile,
        num_warps=4,
    )
