"""The gradient of Mamba's convolution, and of the SiLU behind it, as one Triton kernel.

A program reads its steps and those around them, a tap after the other: what the convolution made is
computed again, and no map is kept or transposed. Sums over steps are written in parts.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import CAUSAL_STEPS
from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit(do_not_specialize=['steps'])  # type: ignore[untyped-decorator]
def _causal_gradient_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    given,
    of_x,
    sums,
    steps,
    length,
    channels,
    x_stride,
    given_stride,
    has_bias: tl.constexpr,
    taps: tl.constexpr,
    tile_steps: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(channels, tile_channels)
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    part = tl.program_id(0) // tiles
    p = part * tile_steps + tl.arange(0, tile_steps)
    is_channel = c < channels
    total = tl.zeros([tile_steps, tile_channels], tl.float32)
    for ahead in tl.static_range(taps):
        # What a step so far ahead makes of this one.
        q = p + ahead
        is_there = (q < steps) & (p % length + ahead < length)
        made = tl.zeros([tile_steps, tile_channels], tl.float32)
        for tap in tl.static_range(taps):
            back = taps - 1 - tap
            is_seen = is_there & (q % length >= back)
            place = x + (q - back).to(tl.int64)[:, None] * x_stride + c[None, :]
            value = tl.load(place, mask=is_seen[:, None] & is_channel[None, :], other=0.0)
            factor = tl.load(weight + c * taps + tap, mask=is_channel, other=0.0)
            made += value.to(tl.float32) * factor.to(tl.float32)[None, :]
        if has_bias:
            made += tl.load(bias + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
        share = tl.sigmoid(made)
        place = given + q.to(tl.int64)[:, None] * given_stride + c[None, :]
        grad = tl.load(place, mask=is_there[:, None] & is_channel[None, :], other=0.0)
        grad = grad.to(tl.float32) * share * (1.0 + made * (1.0 - share))
        factor = tl.load(weight + c * taps + (taps - 1 - ahead), mask=is_channel, other=0.0)
        total += grad * factor.to(tl.float32)[None, :]
        if ahead == 0:
            place = sums + part.to(tl.int64) * (taps + 1) * channels + c
            for tap in tl.static_range(taps):
                back = taps - 1 - tap
                is_seen = is_there & (q % length >= back)
                seen = x + (q - back).to(tl.int64)[:, None] * x_stride + c[None, :]
                value = tl.load(seen, mask=is_seen[:, None] & is_channel[None, :], other=0.0)
                of_tap = tl.sum(grad * value.to(tl.float32), axis=0)
                tl.store(place + tap * channels, of_tap, mask=is_channel)
            tl.store(place + taps * channels, tl.sum(grad, axis=0), mask=is_channel)
    place = of_x + p.to(tl.int64)[:, None] * channels + c[None, :]
    tl.store(place, total, mask=(p < steps)[:, None] & is_channel[None, :])


def causal_gradient(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    given: Tensor,
    length: int,
    of_rows: Tensor,
    sums: Tensor,
) -> None:
    """Run the kernel, described by `mamba_operators.causal_gradient`."""
    steps, channels = of_rows.shape
    tile_channels = tile_of(channels, 32)
    grid = (len(sums) * triton.cdiv(channels, tile_channels),)
    _causal_gradient_kernel[grid](
        rows,
        weight,
        bias,
        given,
        of_rows,
        sums,
        steps,
        length,
        channels,
        row_stride(rows),
        row_stride(given),
        has_bias=bias is not None,
        taps=weight.shape[1],
        tile_steps=CAUSAL_STEPS,
        tile_channels=tile_channels,
    )
