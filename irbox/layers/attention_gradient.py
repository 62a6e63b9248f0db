"""Attention across channels while it learns: forward and backward in strips."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from irbox.layers import image_by_image
from irbox.layers.channel_attention import add_products, fold, inverse_norms, kernels_for
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pixel_linear import LEAST_PRODUCTS, PixelLinear
from irbox.layers.strip_gradients import WideStrips
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import differentiate
from irbox.native import layer_gradients, matrices
from irbox.native.grouped import grouped
from irbox.native.image_layers import Kept
from irbox.native.library import LANES, native
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.attention import TransposedAttention


def transposed_attention(
    attention: TransposedAttention, x: Tensor, norm: LayerNorm2d | None, keeps: bool
) -> Tensor:
    """Compute ``attention(x)``, or with a norm ``x + attention(norm(x))``, of the shape of ``x``.

    It keeps ``x``, the values and what is as small as the weights, where the layer as a whole keeps
    nine times ``x``; with ``keeps`` the wide map as well, three times ``x``.
    """
    weights = [*attention.parameters(), *(norm.parameters() if norm else ())]
    answer: Tensor = _Attention.apply(attention, norm, keeps, x, *weights)
    return answer


class _Attention(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        attention: TransposedAttention,
        norm: LayerNorm2d | None,
        keeps: bool,
        x: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.attention, ctx.norm, ctx.dtype = attention, norm, computing_dtype(x)
        wide = attention.wide_map(x) if keeps else None
        convs = attention.qkv, attention.qkv_dwconv, attention.project_out
        ctx.library = image_by_image.library_for(x, wide, norm, *convs) if norm else None
        if x.is_meta:
            ctx.save_for_backward(x, wide, torch.empty_like(x, dtype=ctx.dtype), *weights)
            return torch.empty_like(x, dtype=ctx.dtype if norm is None else x.dtype)
        if ctx.library is not None:
            assert norm is not None and wide is not None
            answer, kept = image_by_image.self_attention(ctx.library, x, norm, weights, wide)
            ctx.save_for_backward(x, *kept, *weights)
            return answer
        answer, *found = attention.in_strips(x, norm, wide)
        ctx.save_for_backward(x, wide, *found, *weights)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, wide, values, product, squares, *weights) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():
            with torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype):
                answer = ctx.attention.as_a_whole(x, ctx.norm)
            return None, None, None, *differentiate(answer, [x, *weights], grad, again=True)
        small = values, product, squares
        if ctx.library is not None:
            given = ctx.library, x, ctx.norm, weights, Kept(wide, *small), grad
            return None, None, None, *image_by_image.self_attention_gradient(*given)
        with full_precision(x):
            found = attention_gradients(ctx.attention, ctx.norm, x, grad, small, wide)
        return None, None, None, *found


def attention_gradients(
    attention: TransposedAttention,
    norm: LayerNorm2d | None,
    x: Tensor,
    grad: Tensor,
    kept: tuple[Tensor, Tensor, Tensor],
    wide: Tensor | None,
) -> list[Tensor | None]:
    """Differentiate ``transposed_attention``.

    Args:
        attention: The layer.
        norm: See ``transposed_attention``.
        x: The same.
        grad: Of the answer.
        kept: Values (B, H, W, C), ``q^T k`` (B, heads, c, c) and the squares (B, 2 C).
        wide: The wide map, where it was kept.

    Returns:
        The gradients of the map and of all weights, in the order of ``transposed_attention``.
    """
    values, product, squares = kept
    dtype, dim = values.dtype, values.shape[3]
    pixels, of_answer = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1).contiguous()
    # With a norm the layer's answer was added to its input.
    of_pixels, base = torch.empty_like(of_answer), None if norm is None else of_answer
    of_matrix = product.new_zeros(len(x), 1, dim, dim)
    add_products(of_matrix, values, of_answer.to(dtype))
    matrix, of_product, of_squares, of_own = of_small(
        attention.temperature, attention.project_out, product, squares, of_matrix.squeeze(1)
    )
    # (B, heads, c, c) and (B, 2 C): of ``q^T k`` and of the squares of queries and keys.
    of_product, twice = of_product.to(dtype), (2 * of_squares).to(dtype)
    layers = attention.qkv, attention.qkv_dwconv
    wide_strips = WideStrips(pixels, of_pixels, *layers, dtype, 1, norm, wide, base)
    with wide_strips.at_once(of_product.shape[-1]) as known:
        if known is not None:
            layer_gradients.attention_gradient(*known, of_answer, matrix, of_product, twice)
    of_three = OfThree(matrix.to(dtype), of_product, twice)
    width = len(wide_strips.depthwise.weight)
    for images, rows in wide_strips if known is None else ():
        both, of_out = wide_strips.attend(dim), of_answer[images, rows].to(dtype)
        of_wide = both.new_empty(*both.shape[:3], width)
        if width > 3 * dim:
            of_wide[..., 3 * dim :] = 0
        of_three(images, both.flatten(1, 2), of_out.flatten(1, 2), of_wide.flatten(1, 2))
        wide_strips.learn(of_wide)
    of_temperature, *of_projection = of_own
    if attention.project_out is not None and attention.project_out.bias is not None:
        of_projection.append(of_answer.sum((0, 1, 2)))
    widen, depthwise = wide_strips.widen.gradients(), wide_strips.depthwise.gradients()
    of_map = of_pixels.permute(0, 3, 1, 2)
    return [
        of_map,
        of_temperature,
        *widen,
        *depthwise,
        *of_projection,
        *wide_strips.norm.gradients(),
    ]


def of_small(
    temperature: Tensor,
    projection: nn.Conv2d | None,
    product: Tensor,
    squares: Tensor,
    of_matrix: Tensor,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor | None]]:
    """From the matrix that values are multiplied by to what it is made of.

    Written out, since torch's own gradients of these few numbers are fifty calls.

    Args:
        temperature: (heads, 1, 1).
        projection: See ``channel_attention``.
        product: ``q^T k``, (B, heads, c, c).
        squares: Of queries and keys, summed over the pixels, (B, 2 C).
        of_matrix: The gradient of the matrix, (B, C, C_out).

    Returns:
        The matrix (B, C, C_out), the gradients of the products and of the squares, and those of the
        temperature and of the projection.
    """
    batch, heads, size, _ = product.shape
    kernel = None if projection is None else projection.weight.detach().flatten(1)
    library = kernels_for(product, temperature, kernel)
    if library is not None:
        found = matrices.attention_matrix_gradient(
            library, product, squares, temperature.detach(), kernel, of_matrix.float()
        )
        matrix, of_product, of_squares, of_temperature, of_kernel = found
        given: list[Tensor | None] = [of_temperature]
        if projection is not None and of_kernel is not None:
            given.append(of_kernel.reshape(projection.weight.shape))
        return matrix, of_product, of_squares, given
    learned = [temperature, *([] if projection is None else [projection.weight])]
    temperature = temperature.detach()
    norms = inverse_norms(squares.view(batch, 2, heads, size))
    of_query, of_key = norms.unbind(1)
    cosines = product * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
    weights = (cosines * temperature.to(cosines.dtype)).softmax(-1)
    matrix = fold(weights, projection)
    parts = of_matrix.to(weights.dtype).view(batch, heads, size, -1)
    own: list[Tensor | None] = []
    if projection is None:
        of_weights = torch.einsum('bhdhc->bhcd', parts.view(batch, heads, size, heads, size))
    else:
        turned = projection.weight.detach().to(weights.dtype).view(-1, heads, size)
        of_weights = torch.einsum('bhdo,ohc->bhcd', parts, turned)
        of_kernel = torch.einsum('bhdo,bhcd->ohc', parts, weights)
        own.append(of_kernel.reshape(projection.weight.shape).to(projection.weight.dtype))
    of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
    both = of_scores * cosines
    rows = both.sum(-1)
    own.insert(0, rows.sum((0, 2)).view_as(temperature).to(temperature.dtype))
    of_cosines = of_scores * temperature.to(of_scores.dtype)
    of_product = of_cosines * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
    # Of one over a norm by its square: minus half its cube, of which one is in the cosines.
    along = torch.stack([rows, both.sum(-2)], 1) * temperature.view(heads, 1).to(rows.dtype)
    of_squares = -0.5 * along * norms.square()
    own = [one if weight.requires_grad else None for one, weight in zip(own, learned, strict=True)]
    return matrix, of_product, of_squares.view_as(squares), own


class OfThree:
    """The gradients of queries, keys and values side by side, of several images at once.

    Args:
        matrix: (B, C, C_out), that values are multiplied by.
        of_product: See ``_Heads``, of each image.
        twice: The same.
    """

    def __init__(self, matrix: Tensor, of_product: Tensor, twice: Tensor) -> None:
        self._matrix, self._of_product, self._twice = matrix, of_product, twice
        self._dim, self._size = matrix.shape[1], of_product.shape[-1]
        plain = matrix.dtype == torch.float32 and matrix.device.type == 'cpu'
        self._library = native() if plain and not self._dim % LANES else None

    def __call__(self, images: slice, both: Tensor, of_answer: Tensor, out: Tensor) -> None:
        """Write them.

        Args:
            images: Which of all.
            both: Their queries and keys, (images, pixels, 2 C).
            of_answer: Of what the values were made, (images, pixels, C_out).
            out: (images, pixels, 3 C) or wider, written to.
        """
        dim = self._dim
        if self._library is None or both.shape[1] * self._size**2 >= LEAST_PRODUCTS:
            for image, (unfold, of_heads) in enumerate(self._one_by_one[images]):
                unfold(of_answer[image], out[image, :, 2 * dim : 3 * dim])
                of_heads(both[image], out[image, :, : 2 * dim])
            return
        of_queries, of_keys, of_values = (one[images] for one in self._side_by_side)
        grouped(self._library, of_answer, of_values, out[..., 2 * dim : 3 * dim])
        torch.mul(both, self._twice[images].unsqueeze(1), out=out[..., : 2 * dim])
        queries, keys = both[..., :dim], both[..., dim:]
        grouped(self._library, keys, of_queries, out[..., :dim], adds=True)
        grouped(self._library, queries, of_keys, out[..., dim : 2 * dim], adds=True)

    @cached_property
    def _one_by_one(self) -> list[tuple[PixelLinear, _Heads]]:
        """Of each image, and in it of each head: for maps large enough for calls of their own."""
        each = zip(self._matrix, self._of_product, self._twice, strict=True)
        return [(PixelLinear(one), _Heads(*them)) for one, *them in each]

    @cached_property
    def _side_by_side(self) -> tuple[Tensor, Tensor, Tensor]:
        """Matrices for the gradients of queries, of keys and of values."""
        of_keys = _one_group(self._of_product) if self._size % LANES else self._of_product
        of_values = self._matrix.transpose(1, 2).unsqueeze(1).contiguous()
        return of_keys.transpose(2, 3).contiguous(), of_keys, of_values


def _one_group(of_heads: Tensor) -> Tensor:
    """Matrices of each head, (B, heads, c, c), along the diagonal of one: (B, 1, C, C)."""
    batch, heads, size, _ = of_heads.shape
    apart = of_heads.new_zeros(batch, heads, size, heads, size)
    apart.diagonal(dim1=1, dim2=3).copy_(of_heads.permute(0, 2, 3, 1))
    return apart.view(batch, 1, heads * size, heads * size)


class _Heads:
    """The gradients of queries and keys, side by side, head by head.

    Of ``q^T k`` the query's is ``k D^T`` and the key's ``q D``; of the squares twice themselves.

    Args:
        of_product: (heads, c, c), D of each head.
        twice: (2 C,), the gradients of the squares, doubled.
    """

    def __init__(self, of_product: Tensor, twice: Tensor) -> None:
        self._twice, self._size = twice, of_product.shape[1]
        self._of_queries = [PixelLinear(one) for one in of_product]
        self._of_keys = [PixelLinear(one.t()) for one in of_product]

    def __call__(self, both: Tensor, out: Tensor) -> None:
        """Write them for queries and keys side by side, (pixels, 2 C), into ``out``, the same."""
        queries, keys = (torch.split(one, self._size, 1) for one in both.chunk(2, 1))
        of_queries, of_keys = (torch.split(one, self._size, 1) for one in out.chunk(2, 1))
        if self._of_queries[0].library_for(keys[0], of_queries[0]) is None:
            # Small maps: a call for all heads.
            torch.mul(both, self._twice, out=out)
            for head, (of_query, of_key) in enumerate(zip(of_queries, of_keys, strict=True)):
                self._of_queries[head](keys[head], of_query, plus=of_query)
                self._of_keys[head](queries[head], of_key, plus=of_key)
            return
        twice = (torch.split(one, self._size) for one in self._twice.chunk(2))
        heads = zip(queries, keys, of_queries, of_keys, *twice, strict=True)
        for head, (query, key, of_query, of_key, by_query, by_key) in enumerate(heads):
            self._of_queries[head](key, of_query, plus=query, factor=by_query)
            self._of_keys[head](query, of_key, plus=key, factor=by_key)
