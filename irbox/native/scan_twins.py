"""The kernels of the selective scan in torch, step by step: what they are compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from irbox.native.scan_operators import Tensors


def scan_forward(tensors: Tensors, softplus: bool, chunk: int) -> tuple[Tensor, Tensor]:
    """See ``scan_operators.scan_forward``."""
    u, delta, rates, b, c, skip, gate, bias = tensors
    shifted = delta if bias is None else delta + bias
    step = F.softplus(shifted) if softplus else shifted
    state = u.new_zeros(len(u), *rates.shape)
    answers, kept, length = [], [state], u.shape[1]
    for t in range(length):
        now = step[:, t].unsqueeze(1)
        entered = b[:, t].unsqueeze(2) * (now * u[:, t].unsqueeze(1))
        state = (now * rates).exp() * state + entered
        answers.append((c[:, t].unsqueeze(2) * state).sum(1))
        if not (t + 1) % chunk or t + 1 == length:
            kept.append(state)
    answer = torch.stack(answers, 1)
    answer = answer if skip is None else answer + skip * u
    return answer if gate is None else answer * F.silu(gate), torch.stack(kept, 1)


def scan_backward(grad: Tensor, tensors: Tensors, softplus: bool) -> list[Tensor]:
    """See ``scan_operators.scan_backward``: by torch's own gradients, of the tensors there are."""
    # Wherever the kernels are first asked for: what is made in inference mode has no gradients, and
    # a layer that is to be computed again in a backward pass keeps nothing.
    kept = saved_tensors_hooks(lambda one: one, lambda one: one)
    with torch.inference_mode(False), torch.enable_grad(), kept:
        leaves: Any = [None if one is None else one.clone().requires_grad_() for one in tensors]
        answer, _ = scan_forward(leaves, softplus, 1)
        there = [one for one in leaves if one is not None]
        return list(torch.autograd.grad(answer, there, grad.clone()))
