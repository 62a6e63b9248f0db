"""Attention from one map to another while it learns: forward and backward by kernels of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from irbox.layers import image_by_image
from irbox.layers.attention_gradient import OfThree, of_small
from irbox.layers.channel_attention import add_products, attention_matrix, multiply
from irbox.layers.pixel_linear import PixelLinear, add_outer_product
from irbox.layers.strip_gradients import can_learn_by_kernels
from irbox.layers.strips import computing_dtype, pixels_of
from irbox.layers.summed_gradients import apart, differentiate
from irbox.native import operators
from irbox.native.image_layers import Kept
from irbox.native.library import LANES, native

if TYPE_CHECKING:
    from irbox.layers.cross_attention import TransposedCrossAttention


def can_learn(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> bool:
    """Tell whether ``cross_attention`` may be called: where the layer learns in float32 on a CPU.

    Args:
        attention: The layer.
        query: (B, C, H, W).
        source: The same.
    """
    dim = attention.q.in_channels
    if dim % LANES or attention.query_norm != 'channel' or query.dtype != torch.float32:
        return False
    if not can_learn_by_kernels(source, 3 * dim, attention):
        return False
    return query.device == source.device and computing_dtype(source) == torch.float32


def cross_attention(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> Tensor:
    """Compute ``attention(query, source)``, of the shape of both.

    It keeps queries, keys and values before their 3x3, and values after it, too.
    """
    answer: Tensor = _Cross.apply(attention, query, source, *attention.parameters())
    return answer


class _Cross(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        attention: TransposedCrossAttention,
        query: Tensor,
        source: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.attention, ctx.library, library = attention, None, native()
        batch, dim, height, width = source.shape
        heads = len(attention.temperature)
        wide = source.new_empty(batch, height, width, 3 * dim)
        values = source.new_empty(batch, height, width, dim)
        if source.is_meta or library is None:
            ctx.save_for_backward(query, source, wide, wide, values, values, values, *weights)
            return torch.empty_like(source)
        convs = attention.q, attention.q_dwconv, attention.kv, attention.kv_dwconv
        ctx.library = image_by_image.library_for(source, wide, None, *convs, attention.project_out)
        if ctx.library is not None:
            given = ctx.library, query, source, weights, wide
            answer, found = image_by_image.cross_attention(*given)
            ctx.save_for_backward(query, source, *found, *weights)
            return answer
        # Side by side they are a map as self-attention's.
        flat = wide.view(-1, 3 * dim)
        _linear(attention.q)(pixels_of(query), flat[:, :dim])
        _linear(attention.kv)(pixels_of(source), flat[:, dim:])
        taps, shift = _taps(attention)
        both, squares = operators.attend(library, wide, taps, shift, False, dim, values)
        product = source.new_zeros(batch, heads, dim // heads, dim // heads)
        add_products(product, both[..., :dim], both[..., dim:])
        matrix = attention_matrix(product, squares, attention.temperature, attention.project_out)
        ctx.save_for_backward(query, source, wide, both, values, product, squares, *weights)
        return multiply(values, matrix, attention.project_out).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (query, source, *kept) = grads, ctx.saved_tensors
        attention = ctx.attention
        many = len(kept) - len(list(attention.parameters()))
        kept, weights = kept[:many], kept[many:]
        if torch.is_grad_enabled():
            query, source = apart(query, source)
            answer = attention.as_a_whole(query, source)
            inputs = [query, source, *weights]
            return None, *differentiate(answer, inputs, grad, again=True)
        if ctx.library is not None:
            given = ctx.library, query, source, weights, Kept(*kept), grad
            return None, *image_by_image.cross_attention_gradient(*given)
        return None, *_gradients(attention, query, source, grad, kept)


def _gradients(
    attention: TransposedCrossAttention,
    query: Tensor,
    source: Tensor,
    grad: Tensor,
    kept: list[Tensor],
) -> list[Tensor | None]:
    """Of both maps and of all weights, in the order of the layer's own."""
    wide, both, values, product, squares = kept
    library, dim = native(), values.shape[3]
    assert library is not None
    of_answer = pixels_of(grad)
    of_matrix = product.new_zeros(len(values), 1, dim, dim)
    add_products(of_matrix, values, of_answer)
    matrix, of_product, of_squares, own = of_small(
        attention.temperature, attention.project_out, product, squares, of_matrix.squeeze(1)
    )
    of_wide = torch.empty_like(wide)
    given = both.flatten(1, 2), of_answer.flatten(1, 2), of_wide.flatten(1, 2)
    OfThree(matrix, of_product, 2 * of_squares)(slice(None), *given)
    taps, _ = _taps(attention)
    of_made, of_taps, of_shift = operators.depthwise_gradient(library, wide, taps, False, of_wide)
    flat = of_made.flatten(0, 2)
    of_query, *of_q = _of_conv(attention.q, pixels_of(query), flat[:, :dim])
    of_source, *of_kv = _of_conv(attention.kv, pixels_of(source), flat[:, dim:])
    if attention.q.bias is not None:
        own.append(of_answer.sum((0, 1, 2)))
        depthwise = [[of_taps[:dim], of_shift[:dim]], [of_taps[dim:], of_shift[dim:]]]
    else:
        depthwise = [[of_taps[:dim]], [of_taps[dim:]]]
    of_temperature, *of_projection = own
    return [
        of_query,
        of_source,
        of_temperature,
        *of_q,
        *depthwise[0],
        *of_kv,
        *depthwise[1],
        *of_projection,
    ]


def _linear(conv: nn.Conv2d) -> PixelLinear:
    bias = None if conv.bias is None else conv.bias.detach()
    return PixelLinear(conv.weight.detach().flatten(1), bias)


def _taps(attention: TransposedCrossAttention) -> tuple[Tensor, Tensor | None]:
    """The 3x3 of queries, keys and values side by side, as the kernels read it."""
    convs = attention.q_dwconv, attention.kv_dwconv
    taps = operators.taps(torch.cat([conv.weight.detach() for conv in convs]))
    biases = [conv.bias.detach() for conv in convs if conv.bias is not None]
    return taps, torch.cat(biases) if biases else None


def of_linear(weight: Tensor, given: Tensor, of_made: Tensor) -> list[Tensor]:
    """Differentiate a 1x1 convolution.

    Args:
        weight: (C_out, C, 1, 1).
        given: The pixels that it is given, (B, H, W, C), contiguous.
        of_made: The gradient of its answer, (pixels, C_out).

    Returns:
        The gradients of the map, (B, C, H, W), and of the weight.
    """
    matrix = weight.flatten(1)
    of_given, of_weight = torch.empty_like(given), torch.zeros_like(matrix)
    PixelLinear(matrix.t())(of_made, of_given)
    add_outer_product(of_weight, of_made, given.flatten(0, 2))
    return [of_given.permute(0, 3, 1, 2), of_weight.view(weight.shape)]


def _of_conv(conv: nn.Conv2d, given: Tensor, of_made: Tensor) -> list[Tensor]:
    """The same with that of the bias, where there is one."""
    found = of_linear(conv.weight.detach(), given, of_made)
    return found if conv.bias is None else [*found, of_made.sum(0)]
