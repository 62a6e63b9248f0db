"""A depthwise convolution and what follows it pixel by pixel, as one Triton kernel.

3x3 with zeros around the map, then nothing, a sigmoid, GELU, or one half gating the other: the wide
map is read once and what is convolved is never written down. A program owns a tile of pixels, in
the order of memory, and of channels.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.tiles import row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def convolve(  # type: ignore[no-untyped-def]
    x, weight, bias, row, y, col, c, is_pixel, is_channel, height, width, stride, offset, first,
    has_bias: tl.constexpr, tile_pixels: tl.constexpr, tile_channels: tl.constexpr,
):  # fmt: skip
    """Convolve channels that begin at column ``offset`` of the map and at ``first`` of weights."""
    total = tl.zeros([tile_pixels, tile_channels], tl.float32)
    for tap in tl.static_range(9):
        down = tap // 3 - 1
        right = tap % 3 - 1
        is_there = is_pixel & (y + down >= 0) & (y + down < height)
        is_there = is_there & (col + right >= 0) & (col + right < width)
        place = x + (row + (down * width + right))[:, None] * stride + (offset + c)[None, :]
        value = tl.load(place, mask=is_there[:, None] & is_channel[None, :], other=0.0)
        factor = tl.load(weight + (first + c) * 9 + tap, mask=is_channel, other=0.0)
        total += value.to(tl.float32) * factor.to(tl.float32)[None, :]
    if has_bias:
        shift = tl.load(bias + first + c, mask=is_channel, other=0.0)
        total += shift.to(tl.float32)[None, :]
    return total


@triton.jit  # type: ignore[untyped-decorator]
def _depthwise_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    out,
    pixels,
    height,
    width,
    channels,
    x_stride,
    out_stride,
    out_width,
    branch_stride,
    has_bias: tl.constexpr,
    gates: tl.constexpr,
    activation: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(out_width, tile_channels)
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    p = (tl.program_id(0) // tiles) * tile_pixels + tl.arange(0, tile_pixels)
    is_pixel, is_channel = p < pixels, c < channels
    y, col, row = (p // width) % height, p % width, p.to(tl.int64)
    total = convolve(
        x, weight, bias, row, y, col, c, is_pixel, is_channel, height, width, x_stride, 0, 0,
        has_bias, tile_pixels, tile_channels,
    )  # fmt: skip
    if activation == 1:
        total = tl.sigmoid(total)
    if activation == 2:
        total = 0.5 * total * (1.0 + tl.math.erf(total * 0.7071067811865476))
    if gates:
        total *= convolve(
            x, weight, bias, row, y, col, c, is_pixel, is_channel, height, width, x_stride,
            branch_stride, channels, has_bias, tile_pixels, tile_channels,
        )  # fmt: skip
    total = tl.where(is_channel[None, :], total, 0.0)
    place = out + row[:, None] * out_stride + c[None, :]
    tl.store(place, total, mask=is_pixel[:, None] & (c < out_width)[None, :])


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
    channels = weight.shape[0] // (2 if gates else 1)
    pixels, out_width = out.shape
    tile = {'tile_pixels': tile_of(pixels, 32), 'tile_channels': tile_of(out_width, 64)}
    grid = (
        triton.cdiv(pixels, tile['tile_pixels']) * triton.cdiv(out_width, tile['tile_channels']),
    )
    _depthwise_kernel[grid](
        rows,
        weight,
        bias,
        out,
        pixels,
        height,
        width,
        channels,
        row_stride(rows),
        row_stride(out),
        out_width,
        rows.shape[1] // 2,
        has_bias=bias is not None,
        gates=gates,
        activation=activation,
        **tile,
        num_warps=8,
    )
