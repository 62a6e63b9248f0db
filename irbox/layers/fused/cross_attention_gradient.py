"""Attention across channels between two maps while it learns, on a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from irbox.layers.fused import gradient_operators, layers, operators
from irbox.layers.fused.attention_gradient import of_weights, summed_gram, write_of_values
from irbox.layers.fused.gradients import Gradients, of_depthwise, of_given, of_pointwise
from irbox.layers.fused.switch import can_learn_fused, fused_on
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import apart, differentiate
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.cross_attention import TransposedCrossAttention


def can_learn(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> bool:
    """Tell whether ``cross_attention`` may be called."""
    if attention.query_norm != 'channel' or query.dtype != source.dtype:
        return False
    return can_learn_fused(query, attention) and can_learn_fused(source, attention)


def cross_attention(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> Tensor:
    """Compute ``attention(query, source)``, (B, C, H, W) twice -> same shape.

    With norms of each channel. It keeps both maps and their wide maps before and after their
    convolutions, eight times one of them.
    """
    answer: Tensor = _FusedCross.apply(attention, query, source, *attention.parameters())
    return answer


class _FusedCross(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        attention: TransposedCrossAttention,
        query: Tensor,
        source: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.attention, ctx.dtype = attention, computing_dtype(source)
        halves, images = ctx.dtype == torch.bfloat16, len(source)
        temperature, projection = attention.temperature, attention.project_out
        wide = [
            layers.project(layers.rows_of(query), attention.q, halves),
            layers.project(layers.rows_of(source), attention.kv, halves),
        ]
        asking = layers.depthwise(wide[0], attention.q_dwconv, query)
        found = layers.depthwise(wide[1], attention.kv_dwconv, source)
        key, value = found.chunk(2, dim=1)
        sums, squares = summed_gram(asking, key, images, len(temperature))
        matrix = operators.attention_matrix(
            sums, squares, temperature.flatten(), projection.weight.flatten(1), False, halves
        )
        answer = layers.multiply(value, matrix, projection.bias, halves)
        ctx.save_for_backward(query, source, *wide, asking, found, sums, squares, matrix, *weights)
        return layers.map_of(answer, source)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (query, source, *kept) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():
            query, source = apart(query, source)
            casts = torch.autocast(query.device.type, ctx.dtype, enabled=ctx.dtype != query.dtype)
            with casts, fused_on(learns=False):
                answer = ctx.attention(query, source)
            return None, *differentiate(answer, [query, source, *kept[7:]], grad, again=True)
        with full_precision(source):
            of_answer = layers.rows_of(grad).to(ctx.dtype)
            return None, *_gradients(ctx.attention, query, source, of_answer, kept[:7])


def _gradients(
    attention: TransposedCrossAttention,
    query: Tensor,
    source: Tensor,
    of_answer: Tensor,
    kept: list[Tensor],
) -> Gradients:
    """Of both maps and of all weights, in the order of ``cross_attention``."""
    wide_query, wide, asking, found, sums, squares, matrix = kept
    key, value = found.chunk(2, dim=1)
    small, images = (sums, squares), len(source)
    of_product, twice, own = of_weights(attention, of_answer, value, small, images)
    of_asking, of_found = gradient_operators.query_key_gradient(
        asking, key, of_product, twice, False
    )
    write_of_values(of_found[:, key.shape[1] :], of_answer, matrix)
    of_query, of_query_taps = of_depthwise(attention.q_dwconv, wide_query, of_asking, query)
    of_wide, of_taps = of_depthwise(attention.kv_dwconv, wide, of_found, source)
    given, rows = (layers.rows_of(one).to(of_answer.dtype) for one in (query, source))
    of_maps = of_given(attention.q, of_query), of_given(attention.kv, of_wide)
    return [
        layers.map_of(of_maps[0].to(query.dtype), query),
        layers.map_of(of_maps[1].to(source.dtype), source),
        own[0],
        *of_pointwise(attention.q, of_query, given),
        *of_query_taps,
        *of_pointwise(attention.kv, of_wide, rows),
        *of_taps,
        *own[1:],
    ]
