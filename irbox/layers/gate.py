"""One half of a map gates the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.plain import is_traced


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
    if torch.is_grad_enabled() and x.requires_grad and not is_traced(x):
        answer: Tensor = _GELUGate.apply(x, dim)
        return answer
    gate, value = x.chunk(2, dim=dim)
    return F.gelu(gate) * value


def gate_with_gradient(x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Compute ``gelu_gate`` of pixels (..., 2 C) and its gradient, given that of the answer.

    Returns:
        (..., C) and (..., 2 C).
    """
    gate, value = x.chunk(2, dim=-1)
    # In one piece: GELU is twice as fast on it.
    gate = gate.contiguous()
    opened = F.gelu(gate)
    of_x = torch.empty_like(x)
    of_gate, of_value = of_x.chunk(2, dim=-1)
    of_gate.copy_(torch.ops.aten.gelu_backward(grad * value, gate))
    torch.mul(grad, opened, out=of_value)
    return opened.mul_(value), of_x


class StripGate:
    """``gelu_gate`` of strips of pixels, with nothing to differentiate, in memory that it keeps.

    GELU is twice as fast on a map that lies in one piece, which a half of one does not.
    """

    def __init__(self) -> None:
        self._memory = torch.empty(2, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """Gate pixels (..., 2 C) -> (..., C), valid until the next call."""
        gate, value = x.chunk(2, dim=-1)
        if self._memory.shape[1] < gate.numel() or self._memory.dtype != x.dtype:
            self._memory = x.new_empty(2, gate.numel())
        whole, answer = (part[: gate.numel()].view(gate.shape) for part in self._memory.unbind())
        whole.copy_(gate)
        torch.ops.aten.gelu.out(whole, out=answer)
        answer.mul_(value)
        return answer


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
