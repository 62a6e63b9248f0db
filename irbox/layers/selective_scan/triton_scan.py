"""The selective scan by Triton kernels: one launch forward, one backward."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.selective_scan import torch_scan as plain
from irbox.triton_kernels.scan_gradient_kernel import scan_gradient_kernel
from irbox.triton_kernels.scan_kernel import CELLS, layout, scan_kernel

REGISTERS = 168
"""That a thread of the backward kernel may have: twelve programs fit a multiprocessor, and some
values go to its cache instead."""


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
    u, delta, b, c = (_rows(t) for t in (u, delta, b, c))
    gate = None if gate is None else _rows(gate)
    answer = u.new_empty(batch, length, channels)
    kept = u.new_empty(batch, plain.num_kept(length, chunk), num_states, channels)
    grid, tile = layout(batch, channels, num_states, chunk, CELLS)
    with torch.cuda.device(u.get_device()):
        scan_kernel[grid](
            u, delta, rates.contiguous(), b, c, skip, gate, bias, answer, kept,
            length, channels, num_states, *_strides(u, delta, b, c, gate),
            softplus, skip is not None, gate is not None, bias is not None, learns=True, **tile,
        )  # fmt: skip
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
    """Run `torch_scan.scan_backward` in one launch, and add up what it leaves in parts."""
    batch, length, channels = u.shape
    num_states = rates.shape[0]
    grad, u, delta, b, c = (_rows(t) for t in (grad, u, delta, b, c))
    gate = None if gate is None else _rows(gate)
    grid, tile = layout(batch, channels, num_states, chunk, CELLS)
    grad_u, grad_delta = (u.new_empty(batch, length, channels) for _ in range(2))
    grad_rates = u.new_empty(batch, num_states, channels)
    grad_b, grad_c = (u.new_empty(batch, grid[0], length, num_states) for _ in range(2))
    grad_skip = None if skip is None else u.new_empty(batch, channels)
    grad_gate = None if gate is None else torch.empty_like(grad_u)
    grad_bias = None if bias is None else u.new_empty(batch, channels)
    with torch.cuda.device(u.get_device()):
        scan_gradient_kernel[grid](
            grad, u, delta, rates.contiguous(), b, c, skip, gate, bias, kept,
            grad_u, grad_delta, grad_rates, grad_b, grad_c, grad_skip, grad_gate, grad_bias,
            length, channels, num_states, *_strides(grad, u, delta, b, c, gate),
            softplus, skip is not None, gate is not None, bias is not None,
            maxnreg=REGISTERS, **tile,
        )  # fmt: skip
    grads = [grad_u, grad_delta, grad_rates.sum(0), grad_b.sum(1), grad_c.sum(1)]
    of_skip, of_bias = (None if t is None else t.sum(0) for t in (grad_skip, grad_bias))
    return [*grads, of_skip, grad_gate, of_bias]


def problem(device: torch.device) -> str | None:
    """Try the kernels on a short sequence: how they differ from torch, or None where they agree."""
    # A generator of its own, on the CPU: a trial must not move the random state of a training run.
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 40, 6), (1, 40, 6), (16, 6), (1, 40, 16), (1, 40, 16), (6,), (1, 40, 6), (6,))
    u, delta, rates, b, c, skip, gate, bias = (
        torch.randn(shape, generator=generator).to(device) for shape in shapes
    )
    inputs = (u, delta, -rates.exp(), b, c, skip, gate, bias)
    answer, kept = scan_forward(*inputs, True, 16)
    expected, states = plain.scan_forward(*inputs, True, 16, plain.recur_in_levels)
    grads = scan_backward(answer, *inputs, True, 16, kept)
    known = plain.scan_backward(answer, *inputs, True, 16, plain.recur_in_levels, states)
    pairs = zip([answer, kept, *grads], [expected, states, *known], strict=True)
    if all(_agree(mine, theirs) for mine, theirs in pairs):
        return None
    return 'the Triton kernels give other numbers than torch on this device'


def _agree(mine: Tensor | None, theirs: Tensor | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return torch.allclose(mine, theirs, rtol=1e-3, atol=1e-3)


def _rows(x: Tensor) -> Tensor:
    """(B, L, C) as rows at one distance, their channels next to each other; a copy where not."""
    together = x.stride(2) == 1 and x.stride(0) == x.shape[1] * x.stride(1)
    return x if together else x.contiguous()


def _strides(*maps: Tensor | None) -> list[int]:
    """How far the rows of each map lie apart."""
    return [0 if x is None else x.stride(1) for x in maps]
