"""The gradients of a 3x3 depthwise convolution as one Triton kernel: of its map, taps and bias.

The nine neighbours of a pixel in the answer's gradient are what both need: weighed by the taps they
are the map's gradient there, and times the map they are summed to that of the taps. A program goes
down the rows of some columns and channels, two pixels a thread as `depthwise_kernel`; its sums go
into a place of its own.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.depthwise_kernel import inside_of, read_four, read_taps
from irbox.triton_kernels.sizes import CONVOLVED_CHANNELS, CONVOLVED_PIXELS, rows_each
from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def _read_two(place, stride: tl.constexpr, is_row, even, odd):  # type: ignore[no-untyped-def]
    """Read an even and an odd pixel of a row."""
    a = tl.load(place, mask=is_row & even, other=0.0)
    b = tl.load(place + stride, mask=is_row & odd, other=0.0)
    return a, b


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
    columns: tl.constexpr,
    branch_width: tl.constexpr,
    x_stride: tl.constexpr,
    given_stride: tl.constexpr,
    out_stride: tl.constexpr,
    has_bias: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_pairs: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(columns, tile_channels)
    n = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    across = tl.program_id(0) // tiles
    col = (across * tile_pairs + tl.arange(0, tile_pairs)) * 2
    is_there = n < columns
    before, even, odd, after = inside_of(col, width, is_there[None, :])
    # Of the weights, which know no padding.
    c = n % branch_width
    is_channel, c = is_there & (c < channels), (n // branch_width) * channels + c
    a0, a1, a2 = read_taps(weight, c, 0, is_channel)
    a3, a4, a5 = read_taps(weight, c, 3, is_channel)
    a6, a7, a8 = read_taps(weight, c, 6, is_channel)
    t0 = tl.zeros([tile_pairs, tile_channels], tl.float32)
    t1, t2, t3, t4, t5, t6, t7, t8, whole = t0, t0, t0, t0, t0, t0, t0, t0, t0
    finished, begun, odd_finished, odd_begun = t0, t0, t0, t0
    # Rows of the map above. Each a value of its own: Triton takes for constant what is given the
    # same value in front of a loop as what it is set to in it.
    above = tl.zeros([tile_pairs, tile_channels], tl.float32)
    odd_above = tl.zeros([tile_pairs, tile_channels], tl.float32)
    here = tl.zeros([tile_pairs, tile_channels], tl.float32)
    odd_here = tl.zeros([tile_pairs, tile_channels], tl.float32)
    first = tl.program_id(1) * tile_rows
    last = tl.minimum(first + tile_rows, height)
    line = (tl.program_id(2).to(tl.int64) * height + first - 1) * width
    ask = given + line * given_stride + (col[:, None] * given_stride + n[None, :])
    place = x + (line + width) * x_stride + (col[:, None] * x_stride + n[None, :])
    to = of_x + (line - width) * out_stride + (col[:, None] * out_stride + n[None, :])
    at = tl.zeros([1, 1], tl.int32) + first
    p0, p1, p2, p3 = read_four(ask, given_stride, at > 0, before, even, odd, after)
    q0, q1 = _read_two(place, x_stride, at < last, even, odd)
    # A row of the gradient, and the one below it of the map, are read one turn ahead.
    for y in range(first - 1, last + 1):
        at = tl.zeros([1, 1], tl.int32) + y
        ask += width * given_stride
        place += width * x_stride
        is_row = (at + 1 <= last) & (at + 1 < height)
        n0, n1, n2, n3 = read_four(ask, given_stride, is_row, before, even, odd, after)
        m0, m1 = _read_two(place, x_stride, at + 2 < last, even, odd)
        e0, e1, e2, e3 = p0.to(tl.float32), p1.to(tl.float32), p2.to(tl.float32), p3.to(tl.float32)
        below, odd_below = q0.to(tl.float32), q1.to(tl.float32)
        # The first tap met what is above and left: its gradient comes from below and right.
        answer = finished + e2 * a0 + e1 * a1 + e0 * a2
        finished = begun + e2 * a3 + e1 * a4 + e0 * a5
        begun = e2 * a6 + e1 * a7 + e0 * a8
        odd_answer = odd_finished + e3 * a0 + e2 * a1 + e1 * a2
        odd_finished = odd_begun + e3 * a3 + e2 * a4 + e1 * a5
        odd_begun = e3 * a6 + e2 * a7 + e1 * a8
        t0 = t0 + above * e2 + odd_above * e3
        t1 = t1 + above * e1 + odd_above * e2
        t2 = t2 + above * e0 + odd_above * e1
        t3 = t3 + here * e2 + odd_here * e3
        t4 = t4 + here * e1 + odd_here * e2
        t5 = t5 + here * e0 + odd_here * e1
        t6 = t6 + below * e2 + odd_below * e3
        t7 = t7 + below * e1 + odd_below * e2
        t8 = t8 + below * e0 + odd_below * e1
        if has_bias:
            # Rows that are another program's as well count there.
            whole += tl.where((at >= first) & (at < last), e1 + tl.where(odd, e2, 0.0), 0.0)
        above, odd_above = here, odd_here
        here, odd_here = below, odd_below
        p0, p1, p2, p3 = n0, n1, n2, n3
        q0, q1 = m0, m1
        tl.store(to, answer, mask=(at > first) & even)
        tl.store(to + out_stride, odd_answer, mask=(at > first) & odd)
        to += width * out_stride
    runs = tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)
    part = (runs * tl.cdiv(width, 2 * tile_pairs) + across).to(tl.int64) * joint
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
    tile_channels = tile_of(columns, CONVOLVED_CHANNELS)
    across = triton.cdiv(width, CONVOLVED_PIXELS) * triton.cdiv(columns, tile_channels)
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
        columns=columns,
        branch_width=columns // branches,
        x_stride=row_stride(wide),
        given_stride=row_stride(of_convolved),
        out_stride=row_stride(of_wide),
        has_bias=has_bias,
        tile_rows=rows,
        tile_pairs=CONVOLVED_PIXELS // 2,
        tile_channels=tile_channels,
        num_warps=4,
    )
