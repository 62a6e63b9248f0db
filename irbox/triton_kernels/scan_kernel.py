"""The selective scan as one Triton kernel, with all that stands around it.

A program owns a few channels of one image and walks along the sequence in chunks. Within a chunk it
runs a prefix over pairs (decay, input), so that states never leave the chip. What learns keeps the
state before each chunk, from which `scan_gradient_kernel` starts.

Softplus, the direct path and the gate are inside. Maps are rows, a step after the other with its
channels next to each other, which may lie further apart than they are long: nothing is transposed.
A tile has its steps first, so that a thread holds all steps of its states: a prefix over steps then
asks no other thread.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import PROGRAMS_AT_ONCE, SCAN_STEPS
from irbox.triton_kernels.tiles import row_stride

CELLS = 64
"""Channels times states of one program, which is one warp: it waits for no other."""
LOG2_E = tl.constexpr(1.4426950408889634)
# Ignored types: Triton has no stubs, and its compiler reads the kernels' annotations.


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
def scan_kernel(  # type: ignore[no-untyped-def]
    u,
    delta,
    rates,
    b,
    c,
    skip,
    gate,
    bias,
    answer,
    kept,
    length,
    channels,
    num_states,
    u_stride,
    delta_stride,
    b_stride,
    c_stride,
    gate_stride,
    softplus: tl.constexpr,
    has_skip: tl.constexpr,
    has_gate: tl.constexpr,
    has_bias: tl.constexpr,
    learns: tl.constexpr,
    tile_time: tl.constexpr,
    tile_states: tl.constexpr,
    tile_channels: tl.constexpr,
):
    """Scan. What learns keeps the state before each chunk and at the end, and brings its rates.

    What does not brings their logarithms, (channels, states), and keeps nothing.
    """
    image = tl.program_id(1).to(tl.int64)
    ch = tl.program_id(0) * tile_channels + tl.arange(0, tile_channels)
    n = tl.arange(0, tile_states)
    is_channel, is_state = ch < channels, n < num_states
    num_chunks = tl.cdiv(length, tile_time)
    cell = n[:, None] * channels + ch[None, :]
    is_cell = is_state[:, None] & is_channel[None, :]
    # Powers of two are what a device computes.
    if learns:
        power = tl.load(rates + cell, mask=is_cell, other=0.0) * LOG2_E
    else:
        place = rates + ch[None, :] * num_states + n[:, None]
        power = tl.exp(tl.load(place, mask=is_cell, other=0.0).to(tl.float32)) * -LOG2_E
    state = tl.zeros([tile_states, tile_channels], tl.float32)
    is_last = (tl.arange(0, tile_time) == tile_time - 1)[:, None, None]
    for k in range(num_chunks):
        if learns:
            place = (image * (num_chunks + 1) + k) * num_states * channels
            tl.store(kept + place + cell, state, mask=is_cell)
        t = k * tile_time + tl.arange(0, tile_time)
        row = (image * length + t)[:, None]
        is_row = (t < length)[:, None] & is_channel[None, :]
        is_line = (t < length)[:, None] & is_state[None, :]
        dt = tl.load(delta + row * delta_stride + ch[None, :], mask=is_row, other=0.0).to(
            tl.float32
        )
        if has_bias:
            dt += tl.load(bias + ch, mask=is_channel, other=0.0)[None, :]
        if softplus:
            dt = softplus_of(dt)
        dt = tl.where(is_row, dt, 0.0)  # 0 beyond the end keeps the state
        x = tl.load(u + row * u_stride + ch[None, :], mask=is_row, other=0.0).to(tl.float32)
        write = tl.load(b + row * b_stride + n[None, :], mask=is_line, other=0.0).to(tl.float32)
        read = tl.load(c + row * c_stride + n[None, :], mask=is_line, other=0.0).to(tl.float32)
        decay = tl.exp2(power[None, :, :] * dt[:, None, :])  # (time, state, channel)
        entered = (dt * x)[:, None, :] * write[:, :, None]
        total, value = tl.associative_scan((decay, entered), 0, join)
        states = value + total * state[None, :, :]
        y = tl.sum(states * read[:, :, None], axis=1)
        if has_skip:
            direct = tl.load(skip + ch, mask=is_channel, other=0.0).to(tl.float32)
            y += direct[None, :] * x
        if has_gate:
            z = tl.load(gate + row * gate_stride + ch[None, :], mask=is_row, other=0.0).to(
                tl.float32
            )
            y = y * z * tl.sigmoid(z)
        tl.store(answer + row * channels + ch[None, :], y, mask=is_row)
        state = tl.sum(tl.where(is_last, states, 0.0), axis=0)
    if learns:
        place = (image * (num_chunks + 1) + num_chunks) * num_states * channels
        tl.store(kept + place + cell, state, mask=is_cell)


def layout(
    batch: int, channels: int, num_states: int, chunk: int, cells: int
) -> tuple[tuple[int, int], dict[str, int]]:
    """Give the grid of programs, and the tile and the warps of each."""
    states = triton.next_power_of_2(num_states)
    per_program = max(1, cells // states)
    tile = {'tile_time': chunk, 'tile_states': states, 'tile_channels': per_program}
    warps = max(1, per_program * states // CELLS)
    return (triton.cdiv(channels, per_program), batch), {**tile, 'num_warps': warps}


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
    """Run the kernel, described by `mamba_operators.scan_rows`."""
    channels, num_states = log_rates.shape
    images = len(u) // length
    # Few programs wait for themselves: half of the work each, where a device has room for more.
    is_small = images * channels * num_states < PROGRAMS_AT_ONCE * CELLS
    grid, tile = layout(images, channels, num_states, SCAN_STEPS, CELLS // 2 if is_small else CELLS)
    rows = (u, delta, b, c, gate)
    scan_kernel[grid](
        u, delta, log_rates, b, c, skip, gate, None, out, None,
        length, channels, num_states, *map(row_stride, rows),
        softplus=True, has_skip=True, has_gate=True, has_bias=False, learns=False, **tile,
    )  # fmt: skip
