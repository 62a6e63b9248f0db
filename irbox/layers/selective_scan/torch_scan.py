"""The selective scan in torch, forward and backward, with memory bounded by chunks of the sequence.

Everything here is time-major: ``L`` is the second dimension and the channels come last, so that a
step is one contiguous row of all states. Letters in shapes: ``T`` steps of a chunk, ``N`` states.

The forward pass keeps the state at every chunk boundary and nothing else; the backward pass
computes a chunk's states again. Inside a chunk the linear recurrence runs in one of two ways, both
without logarithms, divisions or growing exponentials, hence stable for any time step:

* in steps: one fused multiply-add per step, in place. Least work, and a chunk stays in the cache.
* in levels: a parallel prefix (Brent and Kung, 1982), about ``2 log2 T`` launches for ``T`` steps.
  For devices on which a launch costs more than its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CACHED_ELEMENTS = 2**19
"""Of each of a chunk's buffers on a CPU. Larger buffers, which leave the cache, took longer."""

Recurrence = Callable[[Tensor, Tensor, bool], None]


def recur_in_steps(links: Tensor, values: Tensor, reverse: bool = False) -> None:
    """Turn inputs into states of a linear recurrence, in place.

    ``values[:, t] += links[:, t - 1] * values[:, t - 1]`` for ascending t; reversed,
    ``values[:, t] += links[:, t] * values[:, t + 1]`` for descending t.

    Args:
        links: (B, T - 1, ...), the factor between neighbours.
        values: (B, T, ...), inputs, which become states.
        reverse: Run from the last step to the first.
    """
    factors, states = links.unbind(1), values.unbind(1)
    if reverse:
        for t in range(len(factors) - 1, -1, -1):
            states[t].addcmul_(factors[t], states[t + 1])
    else:
        for t in range(len(factors)):
            states[t + 1].addcmul_(factors[t], states[t])


def recur_in_levels(links: Tensor, values: Tensor, reverse: bool = False) -> None:
    """Do the same as `recur_in_steps`, as a parallel prefix over the steps."""
    length = values.shape[1]
    edge = torch.ones_like(values[:, :1])  # meets only the sums that start at the first step
    products = torch.cat([links, edge] if reverse else [edge, links], dim=1)

    def join(first: int, stride: int, span: int) -> tuple[slice, slice]:
        # Steps first, first + stride, ... and the steps one span before each; both counted from the
        # end if reversed.
        start, stop = (
            ((length - 1 - first) % stride, length - first) if reverse else (first, length)
        )
        shift = span if reverse else -span
        return slice(start, stop, stride), slice(start + shift, stop + shift, stride)

    span = 1
    while 2 * span <= length:
        target, source = join(2 * span - 1, 2 * span, span)
        values[:, target].addcmul_(products[:, target], values[:, source])
        products[:, target].mul_(products[:, source])
        span *= 2
    while span >= 1:
        if 3 * span <= length:
            target, source = join(3 * span - 1, 2 * span, span)
            values[:, target].addcmul_(products[:, target], values[:, source])
        span //= 2


def time_step(delta: Tensor, bias: Tensor | None, softplus: bool) -> tuple[Tensor, Tensor | None]:
    """Compute the time step, and its derivative by ``delta`` (None for 1)."""
    delta = delta if bias is None else delta + bias
    return (F.softplus(delta), torch.sigmoid(delta)) if softplus else (delta, None)


def num_kept(length: int, chunk: int) -> int:
    """Count the states that a scan keeps: one before every chunk, and the last."""
    return (length + chunk - 1) // chunk + 1


def _images_together(u: Tensor, num_states: int, chunk: int) -> int:
    """How many images run at once: on a CPU as many as fit the cache."""
    batch, _, channels = u.shape
    if u.device.type != 'cpu':
        return batch
    return max(1, min(batch, CACHED_ELEMENTS // (chunk * num_states * channels)))


def _parts(
    batch: int, together: int, length: int, chunk: int
) -> list[tuple[slice, int, tuple[slice, slice]]]:
    """What runs in turn: images, number of the chunk, and both as an index."""
    return [
        (images, k, (images, slice(k * chunk, (k + 1) * chunk)))
        for images in (slice(i, i + together) for i in range(0, batch, together))
        for k in range(num_kept(length, chunk) - 1)
    ]


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
    recur: Recurrence,
) -> tuple[Tensor, Tensor]:
    """Scan, and keep the states between chunks.

    Args:
        u: (B, L, C), the sequence.
        delta: (B, L, C), time steps, before bias and softplus.
        rates: (N, C), Mamba's A, transposed.
        b: (B, L, N), what a step writes into the states.
        c: (B, L, N), what it reads from them.
        skip: (C,), Mamba's D.
        gate: (B, L, C), Mamba's z.
        bias: (C,), added to ``delta``.
        softplus: Whether the time step is softplus(delta + bias).
        chunk: Steps per chunk.
        recur: How a chunk's recurrence runs.

    Returns:
        The answer, (B, L, C), and the states before every chunk and at the end,
        (B, number of chunks + 1, N, C).
    """
    batch, length, channels = u.shape
    num_states = rates.shape[0]
    chunk = max(1, min(chunk, length))
    answer = u.new_empty(batch, length, channels)
    kept = u.new_empty(batch, num_kept(length, chunk), num_states, channels)
    kept[:, 0] = 0
    # Reused by all chunks: fresh memory for each would cost as much time as the arithmetic.
    together = _images_together(u, num_states, chunk)
    decay = u.new_empty(together, chunk, num_states, channels)
    states = torch.empty_like(decay)
    for images, k, part in _parts(batch, together, length, chunk):
        x = _rows(u[part])
        step, _ = time_step(_rows(delta[part]), bias, softplus)
        _, h = _chunk_states(step, step * x, rates, b[part], kept[images, k], decay, states, recur)
        y = _over_states(c[part], h)
        if skip is not None:
            y.addcmul_(skip, x)
        if gate is not None:
            y.mul_(F.silu(_rows(gate[part])))
        answer[part] = y
        kept[images, k + 1] = h[:, -1]
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
    recur: Recurrence,
    kept: Tensor,
) -> list[Tensor | None]:
    """Compute the gradients of `scan_forward` for its tensors, in their order.

    ``grad`` is the gradient of the answer and ``kept`` the states that the forward pass kept; the
    other arguments are those of the forward pass.
    """
    batch, length, channels = u.shape
    num_states = rates.shape[0]
    chunk = max(1, min(chunk, length))
    grad_u, grad_delta = (u.new_empty(batch, length, channels) for _ in range(2))
    grad_b, grad_c = (u.new_empty(batch, length, num_states) for _ in range(2))
    grad_gate = None if gate is None else torch.empty_like(grad_u)
    grad_skip = None if skip is None else torch.zeros_like(skip)
    grad_rates = rates.new_zeros(rates.shape)
    together = _images_together(u, num_states, chunk)
    decay = u.new_empty(together, chunk, num_states, channels)
    states = torch.empty_like(decay)
    grad_states = torch.empty_like(decay)
    carry = torch.empty_like(decay[:, 0])
    for images, k, part in reversed(_parts(batch, together, length, chunk)):
        x, dy, writes, reads = _rows(u[part]), _rows(grad[part]), b[part], c[part]
        step, slope = time_step(_rows(delta[part]), bias, softplus)
        entered = step * x
        before = kept[images, k]
        a, h = _chunk_states(step, entered, rates, writes, before, decay, states, recur)
        if gate is not None and grad_gate is not None:
            z = _rows(gate[part])
            sigmoid = torch.sigmoid(z)
            y = _over_states(reads, h)
            y = y if skip is None else y.addcmul_(skip, x)
            grad_gate[part] = dy * y * sigmoid * (1 + z * (1 - sigmoid))
            dy = dy * z * sigmoid
        grad_c[part] = _over_channels(dy, h)
        g = grad_states[: len(h), : h.shape[1]]
        torch.mul(dy[:, :, None], reads[..., None], out=g)
        if k < kept.shape[1] - 2:
            g[:, -1].add_(carry[: len(h)])
        recur(a[:, 1:], g, True)
        torch.mul(a[:, 0], g[:, 0], out=carry[: len(h)])
        grad_b[part] = _over_channels(entered, g)
        grad_entered = _over_states(writes, g)
        # Gradient of the exponent step * rates.
        a[:, 0].mul_(before)
        a[:, 1:].mul_(h[:, :-1])
        exponent = a.mul_(g)
        grad_rates += torch.mul(exponent, step[:, :, None], out=g).sum((0, 1))
        grad_step = torch.addcmul(exponent.mul_(rates).sum(2), grad_entered, x)
        grad_delta[part] = grad_step if slope is None else grad_step * slope
        grad_x = grad_entered * step
        if skip is not None and grad_skip is not None:
            grad_x.addcmul_(skip, dy)
            grad_skip += (dy * x).sum((0, 1))
        grad_u[part] = grad_x
    grad_bias = None if bias is None else grad_delta.sum((0, 1))
    return [grad_u, grad_delta, grad_rates, grad_b, grad_c, grad_skip, grad_gate, grad_bias]


def _rows(x: Tensor) -> Tensor:
    """A chunk (B, T, C) with contiguous channels.

    Of a channel-major sequence the short stretches are copied first: walking along its channels
    touches a new page at every element, and made the whole scan 2.6 times slower at length 1024.
    """
    return x if x.stride(-1) == 1 else x.transpose(1, 2).contiguous().transpose(1, 2).contiguous()


def _chunk_states(
    step: Tensor,
    entered: Tensor,
    rates: Tensor,
    writes: Tensor,
    before: Tensor,
    decay: Tensor,
    states: Tensor,
    recur: Recurrence,
) -> tuple[Tensor, Tensor]:
    """Fill the buffers with a chunk's decays and states, (B, T, N, C)."""
    decay, states = decay[: len(step), : step.shape[1]], states[: len(step), : step.shape[1]]
    torch.mul(step[:, :, None], rates, out=decay).exp_()
    torch.mul(entered[:, :, None], writes[..., None], out=states)
    states[:, 0].addcmul_(decay[:, 0], before)
    recur(decay[:, 1:], states, False)
    return decay, states


def _over_states(weights: Tensor, values: Tensor) -> Tensor:
    """Sum (B, T, N, C) over the states with weights (B, T, N): (B, T, C)."""
    if values.device.type == 'cpu':
        return (weights[:, :, None] @ values).squeeze(2)
    # Not a matrix product: accelerators may be told to round those to fewer bits (TF32).
    return (weights[..., None] * values).sum(2)


def _over_channels(weights: Tensor, values: Tensor) -> Tensor:
    """Sum (B, T, N, C) over the channels with weights (B, T, C): (B, T, N)."""
    if values.device.type == 'cpu':
        # A row times a transposed matrix: 2.7 times as fast as a matrix times a column.
        return (weights[:, :, None] @ values.transpose(2, 3)).squeeze(2)
    return (weights[:, :, None] * values).sum(3)
