"""Gated attention (MSA) while it learns, on a CUDA device: both passes by few launches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from irbox.layers.fused import gradient_operators, layers
from irbox.layers.fused.attention_gradient import Kept, attend, in_order, of_attended
from irbox.layers.fused.gradients import (
    Gradients,
    of_depthwise,
    of_given,
    of_norm,
    of_pointwise,
)
from irbox.layers.norm import LayerNorm2d
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import differentiate
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.mamba_style_attention import MambaStyleAttention


def gated_attention(layer: MambaStyleAttention, x: Tensor, norm: LayerNorm2d) -> Tensor:
    """Compute ``x + layer(norm(x))``, (B, C, H, W) -> same shape.

    It keeps eleven maps, where the layer as a whole keeps thirteen: ``x``, what becomes the mask,
    the gate, the mask, what attention keeps, and its gated answer.
    """
    answer: Tensor = _FusedGated.apply(layer, norm, x, *layer.parameters(), *norm.parameters())
    return answer


class _FusedGated(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any, layer: MambaStyleAttention, norm: LayerNorm2d, x: Tensor, *weights: Tensor
    ) -> Tensor:
        ctx.layer, ctx.norm, ctx.dtype = layer, norm, computing_dtype(x)
        rows, halves = layers.rows_of(x), ctx.dtype == torch.bfloat16
        wide, gate, mask = layers.gate_and_mask(layer, rows, x, norm)
        gated, kept = attend(layer.attn, mask, x, factor=gate)
        ctx.save_for_backward(x, wide, gate, mask, gated, *kept, *weights)
        return layers.map_of(layers.project(gated, layer.project_out, halves, base=rows), x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, *others) = grads, ctx.saved_tensors
        maps, others = others[:4], others[4:]
        kept, weights = Kept(*others[: len(Kept._fields)]), others[len(Kept._fields) :]
        if torch.is_grad_enabled():
            with torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype):
                answer = x + ctx.layer(ctx.norm(x))
            return None, None, *differentiate(answer, [x, *weights], grad, again=True)
        with full_precision(x):
            return None, None, *_gradients(ctx.layer, ctx.norm, x, grad, maps, kept)


def _gradients(
    layer: MambaStyleAttention,
    norm: LayerNorm2d,
    x: Tensor,
    grad: Tensor,
    maps: list[Tensor],
    kept: Kept,
) -> Gradients:
    """Of the map and of all weights, in the order of ``gated_attention``."""
    wide, gate, mask, gated = maps
    rows, of_answer = layers.rows_of(x), layers.rows_of(grad)
    of_out = of_answer.to(gated.dtype)
    of_last = of_pointwise(layer.project_out, of_out, gated)
    of_attention, of_logits = gradient_operators.gating_gradient(
        of_given(layer.project_out, of_out), gated, gate
    )
    of_made, *own = of_attended(layer.attn, x, of_attention, kept)
    assert of_made is not None
    of_attn = in_order(own, of_pointwise(layer.attn.qkv, of_made, mask))
    of_mask = torch.ops.aten.sigmoid_backward(of_given(layer.attn.qkv, of_made), mask)
    conv, gate_layer = cast(nn.Conv2d, layer.dwconv[0]), cast(nn.Conv2d, layer.gate[0])
    of_wide, of_taps = of_depthwise(conv, wide, of_mask, x)
    of_normed = of_given(layer.project_in, of_wide)
    of_normed = of_normed.addmm_(of_logits, gate_layer.weight.flatten(1).to(of_normed.dtype))
    of_rows, given, of_weights = of_norm(norm, rows, of_normed, of_answer, gated.dtype)
    return [
        layers.map_of(of_rows, x),
        *of_pointwise(layer.project_in, of_wide, given),
        *of_taps,
        *of_attn,
        *of_pointwise(gate_layer, of_logits, given),
        *of_last,
        *of_weights,
    ]
