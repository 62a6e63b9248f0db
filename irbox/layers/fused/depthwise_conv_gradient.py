"""A 3x3 depthwise convolution while it learns, on a CUDA device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.fused import layers
from irbox.layers.fused.gradients import of_depthwise
from irbox.layers.fused.switch import fused_on
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import apart, differentiate
from irbox.utils.precision import full_precision


def depthwise_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute ``conv(x)``, (B, C, H, W) -> same shape: one launch each way, keeping the map."""
    answer: Tensor = _FusedDepthwise.apply(conv, x, *conv.parameters())
    return answer


class _FusedDepthwise(torch.autograd.Function):
    """Differentiable itself, twice and more, then by torch's convolution."""

    @staticmethod
    def forward(ctx: Any, conv: nn.Conv2d, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.conv, ctx.dtype = conv, computing_dtype(x)
        ctx.save_for_backward(x, *weights)
        return layers.depthwise_conv(conv, x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, *weights) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():
            (x,) = apart(x)
            casts = torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype)
            with casts, fused_on(learns=False):
                answer = ctx.conv(x)
            return None, *differentiate(answer, [x, *weights], grad, again=True)
        with full_precision(x):
            rows, of_answer = (layers.rows_of(one).to(ctx.dtype) for one in (x, grad))
            of_rows, own = of_depthwise(ctx.conv, rows, of_answer, x)
            return None, layers.map_of(of_rows.to(x.dtype), x), *own
