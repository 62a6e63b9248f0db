"""The gradients of a 3x3 depthwise convolution as one Triton kernel: of its map, taps and bias.

The nine neighbours of a pixel in the answer's gradient are what both need: weighed by the taps they
are the map's gradient there, and times the map they are summed to that of the taps. A program goes
down the rows of some columns and channels; its sums go into a place of its own.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.depthwise_kernel import read_row, read_taps
from irbox.layers.fused.sizes import CONVOLVED_CHANNELS, CONVOLVED_PIXELS, rows_each
from irbox.layers.fused.tiles import row_stride, tile_of


@triton.jit(  # type: ignore[untyped-decorator]
    do_not_specialize=['height', 'width', 'channels', 'joint']
)
def _depthwise_gradient_kernel(  # type: ignore[no-untyped-def]
    x,
    given,
    weight,
    of_x,
    of_weight,
    of_bias,
    height,
    width,
    channels,
    joint,
    columns,
    branch_width,
    x_stride,
    given_stride,
    out_stride,
    has_bias: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(columns, tile_channels)
    n = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    across = tl.program_id(0) // tiles
    col = across * tile_pixels + tl.arange(0, tile_pixels)
    is_pixel, is_there = col < width, n < columns
    # Of the weights, which know no padding.
    c = n % branch_width
    is_channel, c = is_there & (c < channels), (n // branch_width) * channels + c
    a0, a1, a2 = read_taps(weight, c, 0, is_channel)
    a3, a4, a5 = read_taps(weight, c, 3, is_channel)
    a6, a7, a8 = read_taps(weight, c, 6, is_channel)
    t0 = tl.zeros([tile_pixels, tile_channels], tl.float32)
    t1 = t0
    t2 = t0
    t3 = t0
    t4 = t0
    t5 = t0
    t6 = t0
    t7 = t0
    t8 = t0
    whole = t0
    first = tl.program_id(1) * tile_rows
    line = (tl.program_id(2).to(tl.int64) * height + first) * width
    is_row = is_pixel & (tl.zeros([tile_pixels], tl.int32) + first > 0)
    u0, u1, u2 = read_row(given, line - width, col, n, is_row, is_there, width, given_stride)
    m0, m1, m2 = read_row(given, line, col, n, is_pixel, is_there, width, given_stride)
    for y in range(first, tl.minimum(first + tile_rows, height)):
        is_row = is_pixel & (tl.zeros([tile_pixels], tl.int32) + y + 1 < height)
        d0, d1, d2 = read_row(given, line + width, col, n, is_row, is_there, width, given_stride)
        inside = is_pixel[:, None] & is_there[None, :]
        row = (line + col)[:, None]
        value = tl.load(x + row * x_stride + n[None, :], mask=inside, other=0.0).to(tl.float32)
        # The first tap met what is above and left: its gradient comes from below and right.
        e0, e1, e2 = d2.to(tl.float32), d1.to(tl.float32), d0.to(tl.float32)
        total = e0 * a0 + e1 * a1 + e2 * a2
        t0 += value * e0
        t1 += value * e1
        t2 += value * e2
        e0, e1, e2 = m2.to(tl.float32), m1.to(tl.float32), m0.to(tl.float32)
        total += e0 * a3 + e1 * a4 + e2 * a5
        t3 += value * e0
        t4 += value * e1
        t5 += value * e2
        whole += e1
        e0, e1, e2 = u2.to(tl.float32), u1.to(tl.float32), u0.to(tl.float32)
        total += e0 * a6 + e1 * a7 + e2 * a8
        t6 += value * e0
        t7 += value * e1
        t8 += value * e2
        tl.store(of_x + row * out_stride + n[None, :], total, mask=inside)
        u0, u1, u2 = m0, m1, m2
        m0, m1, m2 = d0, d1, d2
        line += width
    runs = tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)
    part = (runs * tl.cdiv(width, tile_pixels) + across).to(tl.int64) * joint
    place = of_weight + (part + c) * 9
    tl.store(place, tl.sum(t0, axis=0), mask=is_channel)
    tl.store(place + 1, tl.sum(t1, axis=0), mask=is_channel)
    tl.store(place + 2, tl.sum(t2, axis=0), mask=is_channel)
    tl.store(place + 3, tl.sum(t3, axis=0), mask=is_channel)
    tl.store(place + 4, tl.sum(t4, axis=0), mask=is_channel)
    tl.store(place + 5, tl.sum(t5, axis=0), mask=is_channel)
    tl.store(place + 6, tl.sum(t6, axis=0), mask=is_channel)
    tl.store(place + 7, tl.sum(t7, axis=0), mask=is_channel)
    tl.store(place + 8, tl.sum(t8, axis=0), mask=is_channel)
    if has_bias:
        tl.store(of_bias + part + c, tl.sum(whole, axis=0), mask=is_channel)


def depthwise_gradient(
    wide: Tensor,
    of_convolved: Tensor,
    weight: Tensor,
    has_bias: bool,
    branches: int,
    height: int,
    width: int,
    of_wide: Tensor,
    of_weight: Tensor,
    of_bias: Tensor,
) -> None:
    """Run the kernel, described by `gradient_operators.depthwise_gradient`."""
    pixels, columns = wide.shape
    images = pixels // (height * width)
    tile = {
        'tile_pixels': CONVOLVED_PIXELS,
        'tile_channels': tile_of(columns, CONVOLVED_CHANNELS),
    }
    across = triton.cdiv(width, tile['tile_pixels']) * triton.cdiv(columns, tile['tile_channels'])
    rows = rows_each(height, width, images, columns)
    _depthwise_gradient_kernel[across, triton.cdiv(height, rows), images](
        wide,
        of_convolved,
        weight,
        of_wide,
        of_weight,
        of_bias,
        height,
        width,
        len(weight) // branches,
        len(weight),
        columns,
        columns // branches,
        row_stride(wide),
        row_stride(of_convolved),
        row_stride(of_wide),
        has_bias=has_bias,
        tile_rows=rows,
        **tile,
        num_warps=4,
    )
