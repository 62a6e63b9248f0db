"""One half of a map gates the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def gelu_gate(x: Tensor, dim: int = -1) -> Tensor:
    """Compute ``gelu(a) * b`` of a map whose halves are ``a`` and ``b``.

    Where it is differentiated it keeps the map alone: the gate, as large as the answer, is computed
    again in the backward pass.

    Args:
        x: With an even size along ``dim``.
        dim: Along which the halves lie side by side.

    Returns:
        Half the size along ``dim``.
    """
    if torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling():
        answer: Tensor = _GELUGate.apply(x, dim)
        return answer
    gate, value = x.chunk(2, dim=dim)
    return F.gelu(gate) * value


class _GELUGate(torch.autograd.Function):
    """Differentiable itself, twice and more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.dim = dim
        gate, value = x.chunk(2, dim=dim)
        return F.gelu(gate).mul_(value)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (grad,) = grads
        gate, value = ctx.saved_tensors[0].chunk(2, dim=ctx.dim)
        of_gate = torch.ops.aten.gelu_backward(grad * value, gate)
        return torch.cat([of_gate, grad * F.gelu(gate)], dim=ctx.dim), None
