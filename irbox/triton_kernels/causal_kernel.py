"""Mamba's causal convolution with SiLU as one Triton kernel.

It reads and writes rows, a step after the other with its channels next to each other, so that
nothing is transposed.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def _causal_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    out,
    steps,
    length,
    channels,
    x_stride,
    has_bias: tl.constexpr,
    taps: tl.constexpr,
    tile_steps: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(channels, tile_channels)
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    p = (tl.program_id(0) // tiles) * tile_steps + tl.arange(0, tile_steps)
    is_step, is_channel, row = p < steps, c < channels, p.to(tl.int64)
    total = tl.zeros([tile_steps, tile_channels], tl.float32)
    for tap in tl.static_range(taps):
        back = taps - 1 - tap
        is_there = is_step & (p % length >= back)
        place = x + (row - back)[:, None] * x_stride + c[None, :]
        value = tl.load(place, mask=is_there[:, None] & is_channel[None, :], other=0.0)
        factor = tl.load(weight + c * taps + tap, mask=is_channel, other=0.0)
        total += value.to(tl.float32) * factor.to(tl.float32)[None, :]
    if has_bias:
        total += tl.load(bias + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    total = total * tl.sigmoid(total)
    place = out + row[:, None] * channels + c[None, :]
    tl.store(place, total, mask=is_step[:, None] & is_channel[None, :])


def causal(rows: Tensor, weight: Tensor, bias: Tensor | None, length: int, out: Tensor) -> None:
    """Run the kernel, described by `mamba_operators.causal`."""
    steps, channels = out.shape
    tile = {'tile_steps': tile_of(steps, 32), 'tile_channels': tile_of(channels, 64)}
    grid = (triton.cdiv(steps, tile['tile_steps']) * triton.cdiv(channels, tile['tile_channels']),)
    _causal_kernel[grid](
        rows,
        weight,
        bias,
        out,
        steps,
        length,
        channels,
        row_stride(rows),
        has_bias=bias is not None,
        taps=weight.shape[1],
        **tile,
    )
