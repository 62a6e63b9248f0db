"""The selective scan as one operator of torch: compiling and exporting see a node and no loops."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from irbox.layers.selective_scan.torch_scan import (
    num_kept,
    recur_in_levels,
    recur_in_steps,
    scan_backward,
    scan_forward,
)
from irbox.native import scan_operators as kernels
from irbox.native.library import native
from irbox.triton_kernels.sizes import SCAN_STEPS
from irbox.utils.precision import full_precision

STEPS_PER_CHUNK = 32
ELEMENTS_PER_CHUNK = 2**24
# Without the kernels, which a file that was written with them may lack: torch, in the same order.
_RECURRENCES = {'native': recur_in_steps, 'steps': recur_in_steps, 'levels': recur_in_levels}


def chunk_length(path: str, batch: int, num_states: int, channels: int) -> int:
    """Choose the steps per chunk: 32, which fit a cache; in parallel as many as 64 MiB hold."""
    if path == 'triton':
        return SCAN_STEPS
    if path == 'levels':
        return max(STEPS_PER_CHUNK, ELEMENTS_PER_CHUNK // (batch * num_states * channels))
    return STEPS_PER_CHUNK


@cache
def triton_problem(device_index: int | None) -> str | None:
    """Say why the Triton kernels cannot be used on a CUDA device, or None where they can.

    They are tried on a short sequence and compared with torch: compiling can fail for many reasons
    (no driver, no C compiler, an unknown device), and a wrong answer must not pass.
    """
    try:
        from irbox.layers.selective_scan import triton_scan

        return triton_scan.problem(torch.device('cuda', device_index or 0))
    except Exception as error:  # whatever a compiler or a driver may raise
        return f'Triton kernels do not run here ({type(error).__name__}: {str(error)[:200]})'


@torch.library.custom_op('irbox::selective_scan', mutates_args=())
def scan(
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    path: str,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Scan time-major float32 tensors, as `torch_scan.scan_forward` describes them.

    The path is ``'native'``, ``'steps'``, ``'levels'`` or ``'triton'``.
    """
    tensors = (u, delta, rates, b, c, skip, gate, bias)
    with full_precision(u):
        if path == 'native' and (library := native()) is not None:
            return kernels.scan_forward(library, tensors, softplus, chunk)
        if path == 'triton':
            from irbox.layers.selective_scan import triton_scan

            return triton_scan.scan_forward(*tensors, softplus, chunk)
        return scan_forward(*tensors, softplus, chunk, _RECURRENCES[path])


@scan.register_fake
def _(
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    path: str,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    batch, length, channels = u.shape
    answer = u.new_empty(batch, length, channels)
    return answer, u.new_empty(batch, num_kept(length, chunk), rates.shape[0], channels)


@torch.library.custom_op('irbox::selective_scan_backward', mutates_args=())
def scan_grad(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    kept: Tensor,
    softplus: bool,
    path: str,
    chunk: int,
) -> list[Tensor]:
    """Compute the gradients of `scan` for its tensors, in order, without those that are None."""
    given = (u, delta, rates, b, c, skip, gate, bias)
    tensors = (grad, *given)
    with full_precision(u):
        if path == 'native' and (library := native()) is not None:
            grads = kernels.scan_backward(library, grad, given, softplus, chunk, kept)
        elif path == 'triton':
            from irbox.layers.selective_scan import triton_scan

            grads = triton_scan.scan_backward(*tensors, softplus, chunk, kept)
        else:
            grads = scan_backward(*tensors, softplus, chunk, _RECURRENCES[path], kept)
    return [g for g in grads if g is not None]


@scan_grad.register_fake
def _(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    kept: Tensor,
    softplus: bool,
    path: str,
    chunk: int,
) -> list[Tensor]:
    tensors = (u, delta, rates, b, c, skip, gate, bias)
    return [t.new_empty(t.shape) for t in tensors if t is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.softplus, ctx.path, ctx.chunk = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
    *tensors, kept = ctx.saved_tensors
    if grad is None:
        return (None,) * 11
    grads = iter(scan_grad(grad, *tensors, kept, ctx.softplus, ctx.path, ctx.chunk))
    return *(None if t is None else next(grads) for t in tensors), None, None, None


scan.register_autograd(_backward, setup_context=_keep)
