"""The gradient of the selective scan as one Triton kernel, launched by `triton_scan`.

Built as `scan_kernel`, from the last chunk to the first. Each starts from the state that was kept
before it. What adds up over channels (the gradients of B and C) is written once per program and
added up afterwards: no atomic additions, hence the same bits every time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from irbox.triton_kernels.scan_kernel import LOG2_E, join, softplus_of


@triton.jit  # type: ignore[untyped-decorator]
def scan_gradient_kernel(  # type: ignore[no-untyped-def]
    grad,
    u,
    delta,
    rates,
    b,
    c,
    skip,
    gate,
    bias,
    kept,
    grad_u,
    grad_delta,
    grad_rates,
    grad_b,
    grad_c,
    grad_skip,
    grad_gate,
    grad_bias,
    length,
    channels,
    num_states,
    grad_stride,
    u_stride,
    delta_stride,
    b_stride,
    c_stride,
    gate_stride,
    softplus: tl.constexpr,
    has_skip: tl.constexpr,
    has_gate: tl.constexpr,
    has_bias: tl.constexpr,
    tile_time: tl.constexpr,
    tile_states: tl.constexpr,
    tile_channels: tl.constexpr,
):
    """Differentiate the scan, chunk by chunk from the last."""
    image = tl.program_id(1).to(tl.int64)
    ch = tl.program_id(0) * tile_channels + tl.arange(0, tile_channels)
    n = tl.arange(0, tile_states)
    is_channel, is_state = ch < channels, n < num_states
    num_chunks = tl.cdiv(length, tile_time)
    cell = n[:, None] * channels + ch[None, :]
    is_cell = is_state[:, None] & is_channel[None, :]
    rate = tl.load(rates + cell, mask=is_cell, other=0.0)
    power = rate * LOG2_E
    direct = tl.zeros([tile_channels], tl.float32)
    if has_skip:
        direct = tl.load(skip + ch, mask=is_channel, other=0.0)
    shift = tl.zeros([tile_channels], tl.float32)
    if has_bias:
        shift = tl.load(bias + ch, mask=is_channel, other=0.0)
    of_rate = tl.zeros([tile_states, tile_channels], tl.float32)
    carry = tl.zeros(
        [tile_states, tile_channels], tl.float32
    )  # gradient of the next chunk's first state
    of_skip = tl.zeros([tile_channels], tl.float32)
    of_bias = tl.zeros([tile_channels], tl.float32)
    inner = tl.arange(0, tile_time)
    is_first = (inner == 0)[:, None, None]
    for back in range(num_chunks):
        k = num_chunks - 1 - back
        t = k * tile_time + inner
        row = (image * length + t)[:, None]
        is_row = (t < length)[:, None] & is_channel[None, :]
        is_line = (t < length)[:, None] & is_state[None, :]
        raw = tl.load(delta + row * delta_stride + ch[None, :], mask=is_row, other=0.0)
        raw += shift[None, :]
        x = tl.load(u + row * u_stride + ch[None, :], mask=is_row, other=0.0)
        dy = tl.load(grad + row * grad_stride + ch[None, :], mask=is_row, other=0.0)
        write = tl.load(b + row * b_stride + n[None, :], mask=is_line, other=0.0)
        read = tl.load(c + row * c_stride + n[None, :], mask=is_line, other=0.0)

        # States before each step: the scan one step earlier, begun with the state that was kept.
        is_inner = is_row & (inner > 0)[:, None]
        place = (row - 1) * delta_stride + ch[None, :]
        before_raw = tl.load(delta + place, mask=is_inner, other=0.0) + shift[None, :]
        is_after = (t + 1 < length)[:, None] & is_channel[None, :]
        place = (row + 1) * delta_stride + ch[None, :]
        after_raw = tl.load(delta + place, mask=is_after, other=0.0) + shift[None, :]
        if softplus:
            dt, before_dt, after_dt = (
                softplus_of(raw),
                softplus_of(before_raw),
                softplus_of(after_raw),
            )
        else:
            dt, before_dt, after_dt = raw, before_raw, after_raw
        dt = tl.where(is_row, dt, 0.0)
        before_dt = tl.where(is_inner, before_dt, 0.0)
        after_dt = tl.where(is_after, after_dt, 0.0)
        before_x = tl.load(u + (row - 1) * u_stride + ch[None, :], mask=is_inner, other=0.0)
        is_written = is_line & (inner > 0)[:, None]
        before_write = tl.load(b + (row - 1) * b_stride + n[None, :], mask=is_written, other=0.0)
        start = (image * (num_chunks + 1) + k) * num_states * channels
        state = tl.load(kept + start + cell, mask=is_cell, other=0.0)
        entered = (before_dt * before_x)[:, None, :] * before_write[:, :, None]
        entered = tl.where(is_first, state[None, :, :], entered)
        decay = tl.exp2(power[None, :, :] * before_dt[:, None, :])  # (time, state, channel)
        _, before = tl.associative_scan((decay, entered), 0, join)
        decayed = tl.exp2(power[None, :, :] * dt[:, None, :]) * before
        states = decayed + (dt * x)[:, None, :] * write[:, :, None]

        if has_gate:
            z = tl.load(gate + row * gate_stride + ch[None, :], mask=is_row, other=0.0)
            opened = tl.sigmoid(z)
            y = tl.sum(states * read[:, :, None], axis=1) + direct[None, :] * x
            of_z = dy * y * opened * (1.0 + z * (1.0 - opened))
            tl.store(grad_gate + row * channels + ch[None, :], of_z, mask=is_row)
            dy = dy * z * opened
        shared = (image * tl.num_programs(0) + tl.program_id(0)) * length + t
        line = shared[:, None] * num_states + n[None, :]
        tl.store(grad_c + line, tl.sum(states * dy[:, None, :], axis=2), mask=is_line)

        # Gradients of the states: a scan from the end, with the decay of the following step.
        decay = tl.exp2(power[None, :, :] * after_dt[:, None, :])
        total, value = tl.associative_scan(
            (decay, dy[:, None, :] * read[:, :, None]), 0, join, reverse=True
        )
        of_state = value + total * carry[None, :, :]
        carry = tl.sum(tl.where(is_first, of_state, 0.0), axis=0)

        exponent = of_state * decayed  # gradient of step * rates
        of_entered = tl.sum(of_state * write[:, :, None], axis=1)
        of_dt = tl.sum(exponent * rate[None, :, :], axis=1) + of_entered * x
        of_rate += tl.sum(exponent * dt[:, None, :], axis=0)
        if softplus:
            of_dt = of_dt * tl.sigmoid(raw)
        place = row * channels + ch[None, :]
        tl.store(grad_u + place, of_entered * dt + direct[None, :] * dy, mask=is_row)
        tl.store(grad_delta + place, of_dt, mask=is_row)
        tl.store(grad_b + line, tl.sum(of_state * (dt * x)[:, None, :], axis=2), mask=is_line)
        of_skip += tl.sum(dy * x, axis=0)
        of_bias += tl.sum(tl.where(is_row, of_dt, 0.0), axis=0)
    tl.store(grad_rates + image * num_states * channels + cell, of_rate, mask=is_cell)
    if has_skip:
        tl.store(grad_skip + image * channels + ch, of_skip, mask=is_channel)
    if has_bias:
        tl.store(grad_bias + image * channels + ch, of_bias, mask=is_channel)
