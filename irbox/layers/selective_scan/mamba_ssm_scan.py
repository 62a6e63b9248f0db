"""The selective scan on the compiled kernels of the package mamba-ssm.

Only the extension module is imported. The package around it would import the dependencies of
language models (transformers, tilelang) and is not needed for a scan.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

RECIPE = (
    "pip install --no-build-isolation 'irbox[cuda]', in an environment that has torch and the CUDA "
    'toolkit (docs/mamba.md)'
)
STEPS_PER_CHUNK = 2048  # of the kernels; decides the shape of what they keep


@cache
def problem() -> str | None:
    """Say why the kernels cannot be used, or None where they can."""
    try:
        import_module('selective_scan_cuda')
    except (ImportError, OSError) as error:  # OSError: built for another torch or CUDA
        return f'the kernels of mamba-ssm cannot be imported ({error})'
    return None


@torch.library.custom_op('irbox::mamba_ssm_scan', mutates_args=())
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
) -> tuple[Tensor, Tensor, Tensor]:
    """Scan contiguous float32 tensors.

    Args:
        u: (B, C, L), the sequence.
        delta: (B, C, L), time steps, before bias and softplus.
        rates: (C, N), Mamba's A.
        b: (B, groups, N, L).
        c: (B, groups, N, L).
        skip: (C,), Mamba's D.
        gate: (B, C, L), Mamba's z.
        bias: (C,), added to ``delta``.
        softplus: Whether the time step is softplus(delta + bias).

    Returns:
        The answer, (B, C, L); with a gate the answer before it, else nothing; and the states that
        the kernels keep.
    """
    kernels = import_module('selective_scan_cuda')
    answer, kept, *gated = kernels.fwd(u, delta, rates, b, c, skip, gate, bias, softplus)
    return (gated[0], answer, kept) if gated else (answer, u.new_empty(0), kept)


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
) -> tuple[Tensor, Tensor, Tensor]:
    batch, channels, length = u.shape
    chunks = -(-length // STEPS_PER_CHUNK)
    ungated = u.new_empty(0 if gate is None else u.shape)
    return torch.empty_like(u), ungated, u.new_empty(batch, channels, chunks, 2 * rates.shape[1])


@torch.library.custom_op('irbox::mamba_ssm_scan_backward', mutates_args=())
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
    ungated: Tensor,
    kept: Tensor,
    softplus: bool,
) -> list[Tensor]:
    """Compute the gradients of `scan` for its tensors, in order, without those that are None."""
    kernels = import_module('selective_scan_cuda')
    before_gate = None if gate is None else ungated
    # The two last: no memory given for the gate's gradient, and do not compute the answer again.
    du, ddelta, drates, db, dc, dskip, dbias, *dgate = kernels.bwd(
        u, delta, rates, b, c, skip, gate, bias, grad, kept, before_gate, None, softplus, False
    )
    grads = [du, ddelta, drates, db, dc]
    grads += [] if skip is None else [dskip]
    grads += [] if gate is None else [dgate[0]]
    return grads + ([] if bias is None else [dbias])


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
    ungated: Tensor,
    kept: Tensor,
    softplus: bool,
) -> list[Tensor]:
    tensors = (u, delta, rates, b, c, skip, gate, bias)
    return [torch.empty_like(t) for t in tensors if t is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.softplus = inputs
    ctx.save_for_backward(*tensors, *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
    *tensors, ungated, kept = ctx.saved_tensors
    if grad is None:
        return (None,) * 9
    grads = iter(scan_grad(grad.contiguous(), *tensors, ungated, kept, ctx.softplus))
    return *(None if t is None else next(grads) for t in tensors), None


scan.register_autograd(_backward, setup_context=_keep)
