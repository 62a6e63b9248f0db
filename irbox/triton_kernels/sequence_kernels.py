"""What Mamba does along a sequence as two Triton kernels: its convolution, and its scan.

Both read and write rows, a step after the other with its channels next to each other, so that
nothing is transposed. The scan is that of `selective_scan.triton_scan`, forward alone, with
softplus, the rates' exponential, the direct path and the gate inside.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.tiles import row_stride, tile_of

STEPS = 32
"""Of a chunk, scanned at once."""
CELLS = 64
"""Channels times states of one program."""


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


@triton.jit
def join(decay, value, later_decay, later_value):  # type: ignore[no-untyped-def]
    """Two stretches of a linear recurrence as one."""
    return decay * later_decay, value * later_decay + later_value


@triton.jit
def softplus_of(x):  # type: ignore[no-untyped-def]
    """``log(1 + exp(x))``, exact for small steps too, where a device's logarithm is not."""
    y = tl.exp(tl.minimum(x, 20.0))
    z = y / (2.0 + y)
    square = z * z
    series = 1.0 / 3 + square * (1.0 / 5 + square * (1.0 / 7 + square * (1.0 / 9)))
    small = 2.0 * z * (1.0 + square * series)
    return tl.where(x > 20.0, x, tl.where(y < 0.5, small, tl.log(1.0 + y)))


@triton.jit  # type: ignore[untyped-decorator]
def _scan_kernel(  # type: ignore[no-untyped-def]
    u,
    delta,
    log_rates,
    b,
    c,
    skip,
    gate,
    out,
    length,
    channels,
    num_states,
    u_stride,
    delta_stride,
    b_stride,
    c_stride,
    gate_stride,
    tile_time: tl.constexpr,
    tile_states: tl.constexpr,
    tile_channels: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    ch = tl.program_id(0) * tile_channels + tl.arange(0, tile_channels)
    n = tl.arange(0, tile_states)
    is_channel, is_state = ch < channels, n < num_states
    is_cell = is_channel[:, None] & is_state[None, :]
    cell = ch[:, None] * num_states + n[None, :]
    rate = -tl.exp(tl.load(log_rates + cell, mask=is_cell, other=0.0).to(tl.float32))
    direct = tl.load(skip + ch, mask=is_channel, other=0.0).to(tl.float32)
    state = tl.zeros([tile_channels, tile_states], tl.float32)
    is_last = (tl.arange(0, tile_time) == tile_time - 1)[None, None, :]
    for start in range(0, length, tile_time):
        t = start + tl.arange(0, tile_time)
        row = image * length + t
        is_step = t < length
        inside = is_channel[:, None] & is_step[None, :]  # (channel, time)
        place = row[None, :] * delta_stride + ch[:, None]
        raw = tl.load(delta + place, mask=inside, other=0.0).to(tl.float32)
        step = tl.where(inside, softplus_of(raw), 0.0)  # 0 beyond the end keeps the state
        place = row[None, :] * u_stride + ch[:, None]
        x = tl.load(u + place, mask=inside, other=0.0).to(tl.float32)
        is_line = is_state[:, None] & is_step[None, :]  # (state, time)
        place = row[None, :] * b_stride + n[:, None]
        write = tl.load(b + place, mask=is_line, other=0.0).to(tl.float32)
        place = row[None, :] * c_stride + n[:, None]
        read = tl.load(c + place, mask=is_line, other=0.0).to(tl.float32)
        decay = tl.exp(rate[:, :, None] * step[:, None, :])  # (channel, state, time)
        entered = (step * x)[:, None, :] * write[None, :, :]
        total, value = tl.associative_scan((decay, entered), 2, join)
        states = value + total * state[:, :, None]
        answer = tl.sum(states * read[None, :, :], axis=1) + direct[:, None] * x
        place = row[None, :] * gate_stride + ch[:, None]
        z = tl.load(gate + place, mask=inside, other=0.0).to(tl.float32)
        answer = answer * z * tl.sigmoid(z)
        tl.store(out + row[None, :] * channels + ch[:, None], answer, mask=inside)
        state = tl.sum(tl.where(is_last, states, 0.0), axis=2)


def causal(rows: Tensor, weight: Tensor, bias: Tensor | None, length: int, out: Tensor) -> None:
    """Run the first kernel, described by `mamba_operators.causal`."""
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


def scan_rows(
    u: Tensor,
    delta: Tensor,
    log_rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    gate: Tensor,
    length: int,
    out: Tensor,
) -> None:
    """Run the second kernel, described by `mamba_operators.scan_rows`."""
    channels, num_states = log_rates.shape
    states = triton.next_power_of_2(num_states)
    per_program = max(1, CELLS // states)
    _scan_kernel[triton.cdiv(channels, per_program), len(u) // length](
        u,
        delta,
        log_rates,
        b,
        c,
        skip,
        gate,
        out,
        length,
        channels,
        num_states,
        row_stride(u),
        row_stride(delta),
        row_stride(b),
        row_stride(c),
        row_stride(gate),
        tile_time=STEPS,
        tile_states=states,
        tile_channels=per_program,
    )
