"""Depthwise convolution over time by a kernel of ours, learning or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from irbox.layers.fused import mamba_operators as fused
from irbox.layers.fused.switch import can_learn_fused
from irbox.layers.plain import is_traced, is_watched
from irbox.native import scan_operators as operators
from irbox.native.library import LANES, native


def convolved(u: Tensor, conv: nn.Conv1d) -> Tensor | None:
    """Convolve depthwise, looking back only, then SiLU; None where no kernel of ours does.

    Those are for float32 and up to four taps: on a CPU for whole vectors of channels, elsewhere
    while it learns by fused kernels (`fused.switch.can_learn_fused`). Not while layers are
    compiled, exported or traced, and not where somebody watches the convolution, which is not
    called.

    Args:
        u: (B, L, C), a part of wider rows or whole.
        conv: Of C channels, each on its own, with a bias.

    Returns:
        (B, L, C).
    """
    if is_traced(u):
        return None
    weight, bias = conv.weight, conv.bias
    if u.dtype == weight.dtype == torch.float32 and can_learn_fused(u, conv):
        rows: Tensor = _Fused.apply(u.flatten(0, 1), weight, bias, u.shape[1])
        return rows.view(u.shape)
    if u.device.type != 'cpu' or u.dtype != torch.float32 or weight.dtype != torch.float32:
        return None
    if u.shape[2] % LANES or weight.shape[2] not in operators.WIDTHS or is_watched([conv]):
        return None
    if native() is None:
        return None
    answer: Tensor = _Causal.apply(u, weight, bias)
    return answer


class _Causal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.library, taps = native(), weight.flatten(1).t().contiguous()
        ctx.save_for_backward(u, taps, bias)
        return operators.causal(ctx.library, u, taps, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        u, taps, bias = ctx.saved_tensors
        of_u, of_taps, of_bias = operators.causal_gradient(ctx.library, u, taps, bias, grad)
        return of_u, of_taps.t()[:, None], None if bias is None else of_bias


class _Fused(torch.autograd.Function):
    """Of rows (B L, C), which may lie further apart than they are long."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, length: int) -> Tensor:
        ctx.save_for_backward(rows, weight, bias)
        ctx.length = length
        answer: Tensor = fused.causal(rows, weight.flatten(1), bias, length)
        return answer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        rows, weight, bias = ctx.saved_tensors
        of_rows, parts = fused.causal_gradient(
            rows, weight.flatten(1), bias, grad.contiguous(), ctx.length
        )
        sums = parts.sum(0)
        of_bias = None if bias is None else sums[-1]
        return of_rows, sums[:-1].t().unsqueeze(1).contiguous(), of_bias, None
