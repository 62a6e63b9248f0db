"""The selective scan as Triton kernels: one launch forward, one backward.

A program owns a few channels of one image and walks along the sequence in chunks. Within a chunk it
runs a parallel prefix over pairs (decay, input), so that states never leave the chip. The backward
kernel starts each chunk from the state that the forward kernel kept. What adds up over channels
(the gradients of B and C) is written once per program and added up afterwards: no atomic additions,
hence the same bits every time.

Element-wise work around the recurrence (softplus, gate, direct path) is left to torch. The kernels
take float32, contiguous, channel-major tensors: u and step (B, C, L), b and c (B, N, L).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.selective_scan import torch_scan as plain

# Ignored types: Triton has no stubs, and its compiler reads the kernels' annotations.
TILE_ROWS = 64
"""Channels times states of one program."""


@triton.jit
def _join(decay, value, later_decay, later_value):  # type: ignore[no-untyped-def]
    """Two stretches of a linear recurrence as one."""
    return decay * later_decay, value * later_decay + later_value


@triton.jit  # type: ignore[untyped-decorator]
def _forward_kernel(  # type: ignore[no-untyped-def]
    u,
    step,
    rates,
    b,
    c,
    answer,
    kept,
    length,
    channels,
    num_states,
    tile_time: tl.constexpr,
    tile_states: tl.constexpr,
    tile_channels: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    ch = tl.program_id(0) * tile_channels + tl.arange(0, tile_channels)
    n = tl.arange(0, tile_states)
    num_chunks = tl.cdiv(length, tile_time)
    cell = n[None, :] * channels + ch[:, None]  # (channel, state)
    is_cell = (ch[:, None] < channels) & (n[None, :] < num_states)
    rate = tl.load(rates + cell, mask=is_cell, other=0.0)
    state = tl.zeros([tile_channels, tile_states], tl.float32)
    for k in range(num_chunks):
        place = (image * (num_chunks + 1) + k) * num_states * channels
        tl.store(kept + place + cell, state, mask=is_cell)
        t = k * tile_time + tl.arange(0, tile_time)
        row = (image * channels + ch[:, None]) * length + t[None, :]  # (channel, time)
        is_row = (ch[:, None] < channels) & (t[None, :] < length)
        line = (image * num_states + n[:, None]) * length + t[None, :]  # (state, time)
        is_line = (n[:, None] < num_states) & (t[None, :] < length)
        dt = tl.load(step + row, mask=is_row, other=0.0)  # 0 beyond the end keeps the state
        x = tl.load(u + row, mask=is_row, other=0.0)
        write = tl.load(b + line, mask=is_line, other=0.0)
        read = tl.load(c + line, mask=is_line, other=0.0)
        decay = tl.exp(rate[:, :, None] * dt[:, None, :])  # (channel, state, time)
        entered = (dt * x)[:, None, :] * write[None, :, :]
        total, value = tl.associative_scan((decay, entered), 2, _join)
        states = value + total * state[:, :, None]
        tl.store(answer + row, tl.sum(states * read[None, :, :], axis=1), mask=is_row)
        is_last = (tl.arange(0, tile_time) == tile_time - 1)[None, None, :]
        state = tl.sum(tl.where(is_last, states, 0.0), axis=2)
    place = (image * (num_chunks + 1) + num_chunks) * num_states * channels
    tl.store(kept + place + cell, state, mask=is_cell)


@triton.jit  # type: ignore[untyped-decorator]
def _backward_kernel(  # type: ignore[no-untyped-def]
    grad,
    u,
    step,
    rates,
    b,
    c,
    kept,
    answer,
    grad_u,
    grad_step,
    grad_rates,
    grad_b,
    grad_c,
    length,
    channels,
    num_states,
    tile_time: tl.constexpr,
    tile_states: tl.constexpr,
    tile_channels: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    ch = tl.program_id(0) * tile_channels + tl.arange(0, tile_channels)
    n = tl.arange(0, tile_states)
    num_chunks = tl.cdiv(length, tile_time)
    cell = n[None, :] * channels + ch[:, None]  # (channel, state)
    is_cell = (ch[:, None] < channels) & (n[None, :] < num_states)
    rate = tl.load(rates + cell, mask=is_cell, other=0.0)
    grad_rate = tl.zeros([tile_channels, tile_states], tl.float32)
    carry = tl.zeros(
        [tile_channels, tile_states], tl.float32
    )  # gradient of the next chunk's first state
    is_first = (tl.arange(0, tile_time) == 0)[None, None, :]
    for back in range(num_chunks):
        k = num_chunks - 1 - back
        t = k * tile_time + tl.arange(0, tile_time)
        row = (image * channels + ch[:, None]) * length + t[None, :]  # (channel, time)
        is_row = (ch[:, None] < channels) & (t[None, :] < length)
        line = (image * num_states + n[:, None]) * length + t[None, :]  # (state, time)
        is_line = (n[:, None] < num_states) & (t[None, :] < length)
        dt = tl.load(step + row, mask=is_row, other=0.0)
        x = tl.load(u + row, mask=is_row, other=0.0)
        dy = tl.load(grad + row, mask=is_row, other=0.0)
        write = tl.load(b + line, mask=is_line, other=0.0)
        read = tl.load(c + line, mask=is_line, other=0.0)

        # States before each step: the scan one step earlier, begun with the state that was kept.
        is_inner = (tl.arange(0, tile_time) > 0)[None, :]
        dt_before = tl.load(step + row - 1, mask=is_row & is_inner, other=0.0)
        x_before = tl.load(u + row - 1, mask=is_row & is_inner, other=0.0)
        write_before = tl.load(b + line - 1, mask=is_line & is_inner, other=0.0)
        start = (image * (num_chunks + 1) + k) * num_states * channels
        state = tl.load(kept + start + cell, mask=is_cell, other=0.0)
        decay_before = tl.exp(rate[:, :, None] * dt_before[:, None, :])
        entered_before = (dt_before * x_before)[:, None, :] * write_before[None, :, :]
        entered_before = tl.where(is_first, state[:, :, None], entered_before)
        _, before = tl.associative_scan((decay_before, entered_before), 2, _join)
        decayed = tl.exp(rate[:, :, None] * dt[:, None, :]) * before
        states = decayed + (dt * x)[:, None, :] * write[None, :, :]
        tl.store(answer + row, tl.sum(states * read[None, :, :], axis=1), mask=is_row)

        # Gradients of the states: a scan from the end, with the decay of the following step.
        is_after = (ch[:, None] < channels) & (t[None, :] + 1 < length)
        dt_after = tl.load(step + row + 1, mask=is_after, other=0.0)
        decay_after = tl.exp(rate[:, :, None] * dt_after[:, None, :])
        total, value = tl.associative_scan(
            (decay_after, dy[:, None, :] * read[None, :, :]), 2, _join, reverse=True
        )
        grad_state = value + total * carry[:, :, None]
        carry = tl.sum(tl.where(is_first, grad_state, 0.0), axis=2)

        grad_exponent = grad_state * decayed  # of step * rates
        grad_entered = tl.sum(grad_state * write[None, :, :], axis=1)
        grad_dt = tl.sum(grad_exponent * rate[:, :, None], axis=1) + grad_entered * x
        grad_rate += tl.sum(grad_exponent * dt[:, None, :], axis=2)
        tl.store(grad_u + row, grad_entered * dt, mask=is_row)
        tl.store(grad_step + row, grad_dt, mask=is_row)
        part = image * tl.num_programs(0) + tl.program_id(0)
        shared = (part * num_states + n[:, None]) * length + t[None, :]
        tl.store(grad_b + shared, tl.sum(grad_state * (dt * x)[:, None, :], axis=0), mask=is_line)
        tl.store(grad_c + shared, tl.sum(states * dy[:, None, :], axis=0), mask=is_line)
    tl.store(grad_rates + image * num_states * channels + cell, grad_rate, mask=is_cell)


def scan_forward(
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Run `torch_scan.scan_forward` in one launch; ``chunk`` must be a power of two."""
    batch, length, channels = u.shape
    num_states = rates.shape[0]
    step, _ = plain.time_step(delta, bias, softplus)
    inputs = [_channel_major(t) for t in (u, step)] + [rates.contiguous()]
    inputs += [_channel_major(t) for t in (b, c)]
    y = torch.empty_like(inputs[0])
    kept = u.new_empty(batch, plain.num_kept(length, chunk), num_states, channels)
    grid, tile = _layout(batch, channels, num_states, chunk)
    with torch.cuda.device(u.get_device()):
        _forward_kernel[grid](*inputs, y, kept, length, channels, num_states, **tile)
    answer = y.transpose(1, 2).contiguous()
    if skip is not None:
        answer.addcmul_(skip, u)
    if gate is not None:
        answer.mul_(F.silu(gate))
    return answer, kept


def scan_backward(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    chunk: int,
    kept: Tensor,
) -> list[Tensor | None]:
    """Run `torch_scan.scan_backward` in one launch."""
    batch, length, channels = u.shape
    num_states = rates.shape[0]
    step, slope = plain.time_step(delta, bias, softplus)
    inner = grad if gate is None else grad * F.silu(gate)
    inputs = [_channel_major(t) for t in (inner, u, step)] + [rates.contiguous()]
    inputs += [_channel_major(t) for t in (b, c)] + [kept]
    grid, tile = _layout(batch, channels, num_states, chunk)
    y, grad_u, grad_step = (torch.empty_like(inputs[0]) for _ in range(3))
    grad_rates = u.new_empty(batch, num_states, channels)
    grad_b, grad_c = (u.new_empty(batch, grid[0], num_states, length) for _ in range(2))
    outputs = (y, grad_u, grad_step, grad_rates, grad_b, grad_c)
    with torch.cuda.device(u.get_device()):
        _backward_kernel[grid](*inputs, *outputs, length, channels, num_states, **tile)

    y, grad_u, grad_step = (t.transpose(1, 2).contiguous() for t in (y, grad_u, grad_step))
    grad_b, grad_c = (t.sum(1).transpose(1, 2).contiguous() for t in (grad_b, grad_c))
    grad_skip = grad_gate = None
    if skip is not None:
        y.addcmul_(skip, u)
        grad_u.addcmul_(skip, inner)
        grad_skip = (inner * u).sum((0, 1))
    if gate is not None:
        sigmoid = torch.sigmoid(gate)
        grad_gate = (grad * y * sigmoid * (1 + gate * (1 - sigmoid))).contiguous()
    grad_delta = grad_step if slope is None else grad_step * slope
    grad_bias = None if bias is None else grad_delta.sum((0, 1))
    grads = [grad_u, grad_delta, grad_rates.sum(0), grad_b, grad_c]
    return [*grads, grad_skip, grad_gate, grad_bias]


def problem(device: torch.device) -> str | None:
    """Try the kernels on a short sequence: how they differ from torch, or None where they agree."""
    # A generator of its own, on the CPU: a trial must not move the random state of a training run.
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 40, 6), (1, 40, 6), (16, 6), (1, 40, 16), (1, 40, 16), (6,), (1, 40, 6), (6,))
    u, delta, rates, b, c, skip, gate, bias = (
        torch.randn(shape, generator=generator).to(device) for shape in shapes
    )
    inputs = (u, delta, -rates.exp(), b, c, skip, gate, bias)
    answer, kept = scan_forward(*inputs, True, 32)
    expected, states = plain.scan_forward(*inputs, True, 32, plain.recur_in_levels)
    grads = scan_backward(answer, *inputs, True, 32, kept)
    known = plain.scan_backward(answer, *inputs, True, 32, plain.recur_in_levels, states)
    pairs = zip([answer, kept, *grads], [expected, states, *known], strict=True)
    if all(_agree(mine, theirs) for mine, theirs in pairs):
        return None
    return 'the Triton kernels give other numbers than torch on this device'


def _agree(mine: Tensor | None, theirs: Tensor | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return torch.allclose(mine, theirs, rtol=1e-3, atol=1e-3)


def _channel_major(x: Tensor) -> Tensor:
    return x.transpose(1, 2).contiguous()


def _layout(
    batch: int, channels: int, num_states: int, chunk: int
) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid of programs, and the tile of each."""
    states = triton.next_power_of_2(num_states)
    per_program = max(1, TILE_ROWS // states)
    tile = {'tile_time': chunk, 'tile_states': states, 'tile_channels': per_program}
    return (triton.cdiv(channels, per_program), batch), tile
