"""Attention across channels while it learns, on a CUDA device: both passes by few launches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from irbox.layers.fused import gradient_operators, layers, operators
from irbox.layers.fused.gradients import (
    Gradients,
    of_depthwise,
    of_given,
    of_norm,
    of_pointwise,
    over_parts,
    summed_products,
    summed_rows,
)
from irbox.layers.norm import LayerNorm2d
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import differentiate
from irbox.triton_kernels.sizes import PARTS_AT_ONCE
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.attention import TransposedAttention
    from irbox.layers.cross_attention import TransposedCrossAttention


class Kept(NamedTuple):
    """What attention keeps for its backward pass, beside what it is given."""

    wide: Tensor
    """(P, 3 C)."""
    convolved: Tensor
    """(P, 3 C): queries, keys and values."""
    sums: Tensor
    """See ``operators.gram``; of few parts."""
    squares: Tensor
    """The same."""
    matrix: Tensor
    """(B, C_out, C), that values are multiplied by."""


def transposed_attention(
    attention: TransposedAttention, x: Tensor, norm: LayerNorm2d | None = None
) -> Tensor:
    """Compute ``attention(x)``, or with a norm ``x + attention(norm(x))``, of the shape of ``x``.

    It keeps ``x``, the wide map before and after its convolution, seven times ``x``, where the
    layer as a whole keeps eight times as much. Each that were made again would cost a tenth of the
    bytes that both passes move.
    """
    weights = [*attention.parameters(), *(norm.parameters() if norm else ())]
    answer: Tensor = _FusedAttention.apply(attention, norm, x, *weights)
    return answer


class _FusedAttention(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        attention: TransposedAttention,
        norm: LayerNorm2d | None,
        x: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.attention, ctx.norm, ctx.dtype = attention, norm, computing_dtype(x)
        rows = layers.rows_of(x)
        base = None if norm is None else rows
        answer, kept = attend(attention, rows, x, norm, base=base)
        ctx.save_for_backward(x, *kept, *weights)
        return layers.map_of(answer, x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, *others) = grads, ctx.saved_tensors
        kept, weights = Kept(*others[: len(Kept._fields)]), others[len(Kept._fields) :]
        if torch.is_grad_enabled():
            with torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype):
                answer = ctx.attention.as_a_whole(x, ctx.norm)
            return None, None, *differentiate(answer, [x, *weights], grad, again=True)
        with full_precision(x):
            rows, of_answer = layers.rows_of(x), layers.rows_of(grad)
            of_made, *own = of_attended(ctx.attention, x, of_answer.to(ctx.dtype), kept)
            assert of_made is not None
            of_normed = of_given(ctx.attention.qkv, of_made)
            of_rows, given, of_own = of_norm(ctx.norm, rows, of_normed, of_answer, ctx.dtype)
            return (
                None,
                None,
                layers.map_of(of_rows, x),
                *in_order(own, of_pointwise(ctx.attention.qkv, of_made, given)),
                *of_own,
            )


def attend(
    attention: TransposedAttention,
    rows: Tensor,
    like: Tensor,
    norm: LayerNorm2d | None = None,
    factor: Tensor | None = None,
    base: Tensor | None = None,
) -> tuple[Tensor, Kept]:
    """Compute attention as `layers` does; give its answer, and what the backward pass needs."""
    halves = computing_dtype(like) == torch.bfloat16
    temperature, projection = attention.temperature, attention.project_out
    wide = layers.project(rows, attention.qkv, halves, norm)
    convolved = layers.depthwise(wide, attention.qkv_dwconv, like)
    query, key, value = convolved.chunk(3, dim=1)
    sums, squares = summed_gram(query, key, len(like), len(temperature))
    weight, bias = (None, None) if projection is None else (projection.weight, projection.bias)
    weight = None if weight is None else weight.flatten(1)
    matrix = operators.attention_matrix(sums, squares, temperature.flatten(), weight, False, halves)
    answer = layers.multiply(value, matrix, bias, halves, factor=factor, base=base)
    return answer, Kept(wide, convolved, sums, squares, matrix)


def of_attended(
    attention: TransposedAttention, like: Tensor, of_answer: Tensor, kept: Kept
) -> Gradients:
    """Differentiate ``attend`` but for its first product.

    Args:
        attention: The layer.
        like: The map that it was given.
        of_answer: (P, C_out), in the dtype that is computed in.
        kept: By ``attend``.

    Returns:
        The gradients of the wide map and of all weights, in the layer's order, but those of
        ``qkv``.
    """
    query, key, value = kept.convolved.chunk(3, dim=1)
    small = kept.sums, kept.squares
    of_product, twice, own = of_weights(attention, of_answer, value, small, len(like))
    of_convolved, _ = gradient_operators.query_key_gradient(query, key, of_product, twice, True)
    into = of_convolved[:, 2 * query.shape[1] :]
    write_of_values(into, of_answer, kept.matrix)
    of_wide, of_taps = of_depthwise(attention.qkv_dwconv, kept.wide, of_convolved, like)
    return [of_wide, own[0], *of_taps, *own[1:]]


def of_weights(
    attention: TransposedAttention | TransposedCrossAttention,
    of_answer: Tensor,
    value: Tensor,
    small: tuple[Tensor, Tensor],
    images: int,
) -> tuple[Tensor, Tensor, Gradients]:
    """Differentiate what is small, see ``gradient_operators.attention_matrix_gradient``.

    Args:
        attention: The layer.
        of_answer: (P, C_out), in the dtype that is computed in.
        value: (P, C).
        small: Of ``gram``, in few parts.
        images: B.

    Returns:
        The first two answers, and the gradients of temperature and projection.
    """
    projection, temperature = attention.project_out, attention.temperature
    weight = None if projection is None else projection.weight.flatten(1)
    of_product, twice, of_temperature, of_projection = (
        gradient_operators.attention_matrix_gradient(
            *small, temperature.flatten(), weight, summed_products(of_answer, value, images),
            of_answer.dtype == torch.bfloat16,
        )
    )  # fmt: skip
    found: Gradients = [
        over_parts(of_temperature).to(temperature.dtype).view(temperature.shape),
    ]
    if projection is not None:
        own = over_parts(of_projection).to(projection.weight.dtype)
        found.append(own.view(projection.weight.shape))
        if projection.bias is not None:
            found.append(summed_rows(of_answer).to(projection.bias.dtype))
    return of_product, twice, found


def write_of_values(out: Tensor, of_answer: Tensor, matrix: Tensor) -> None:
    """Multiply by the matrix that values were multiplied by: (P, C_out) -> ``out``, (P, C)."""
    given, into = (one.view(len(matrix), -1, one.shape[1]) for one in (of_answer, out))
    torch.bmm(given, matrix, out=into)


def summed_gram(query: Tensor, key: Tensor, images: int, heads: int) -> tuple[Tensor, Tensor]:
    """Call ``operators.gram``, and leave as few parts as kernels read at once.

    Added up here, by many programs: the next kernels read them with one a head, twice.
    """
    sums, squares = (
        one.view(images, PARTS_AT_ONCE, -1, *one.shape[2:]).sum(2)
        for one in operators.gram(query, key, images, heads)
    )
    return sums, squares


def in_order(own: Gradients, of_qkv: Gradients) -> Gradients:
    """Put the gradients of the first product where the layer has its weights."""
    return [own[0], *of_qkv, *own[1:]]
