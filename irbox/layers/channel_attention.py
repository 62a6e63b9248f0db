"""What attention across channels computes, on pixels."""

from __future__ import annotations

import ctypes
from typing import Literal

import torch
from torch import Tensor, nn

from irbox.layers.pixel_linear import PixelLinear, add_outer_product
from irbox.layers.strips import size_of, strips
from irbox.native import matrices
from irbox.native.grouped import add_grouped_outer, can_be_grouped, grouped
from irbox.native.library import LANES, native
from irbox.utils.precision import full_precision

QueryNorm = Literal['channel', 'head']
FEW_PIXELS = 2**10
"""Of a map, whose products are small: calls count for more than how they are done."""
FEW_PRODUCTS = 4


def check_heads(dim: int, heads: int) -> None:
    """See that heads share channels without rest; ``ValueError`` else."""
    if heads < 1 or dim % heads:
        raise ValueError(
            f'heads={heads} must divide the {dim} channels of its level. '
            'Change the heads or the width of the network.'
        )


def channel_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    temperature: Tensor,
    projection: nn.Conv2d | None,
    query_norm: QueryNorm = 'channel',
    squares: Tensor | None = None,
) -> Tensor:
    """Let channels attend to channels with several heads, and project the answer.

    Equal to L2-normalising query and key over the pixels, ``softmax(q k^T * temperature) v`` and a
    1x1 convolution, but cheaper: the norms divide the small product instead of the maps, and the
    attention weights are folded into the projection, so that the values are multiplied once.

    Args:
        query: (B, C, H, W).
        key: (B, C, H, W).
        value: (B, C, H, W).
        temperature: (heads, 1, 1).
        projection: 1x1 convolution, C -> C, or None.
        query_norm: See ``TransposedCrossAttention``.
        squares: (B, 2 C), summed over the pixels, of the query and of the key, where somebody has
            them.

    Returns:
        (B, C, H, W).
    """
    batch, dim, height, width = value.shape
    heads = temperature.shape[0]

    def split(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(batch, height * width, heads, dim // heads)

    query, key = split(query), split(key)
    with full_precision(value):
        if squares is None:
            squares = torch.stack([squares_of(query), squares_of(key)], 1)
        norms = inverse_norms(squares.view(batch, 2, heads, dim // heads), query_norm)
        if query.dtype == torch.float16:
            # Sums over all pixels leave half precision's range: up for large maps, down for small.
            query, key = (
                (x * norm.unsqueeze(1)).half()
                for x, norm in zip((query, key), norms.unbind(1), strict=True)
            )
            scores = torch.einsum('bphc,bphd->bhcd', query, key).float()
            weights = (scores * temperature.float()).softmax(-1)
        else:
            product = torch.einsum('bphc,bphd->bhcd', query, key)
            weights = weigh(product, norms, temperature)
        out = apply(value.permute(0, 2, 3, 1), weights, projection)
    return out.permute(0, 3, 1, 2)


def weigh(product: Tensor, norms: Tensor, temperature: Tensor) -> Tensor:
    """``softmax(q k^T * temperature)`` of what is left of it without the norms.

    Args:
        product: (B, heads, C, C), of the query and the key as they are.
        norms: (B, 2, heads, C), one over the norms of the query and of the key.
        temperature: (heads, 1, 1).

    Returns:
        (B, heads, C, C), float32 or float64.
    """
    of_query, of_key = norms.unbind(1)
    scores = exact(product) * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
    return (scores * temperature.to(scores.dtype)).softmax(-1)


def apply(value: Tensor, weights: Tensor, projection: nn.Conv2d | None) -> Tensor:
    """Multiply values by attention and project the answer.

    Args:
        value: (B, H, W, C).
        weights: (B, heads, c, c).
        projection: C -> C_out, or None.

    Returns:
        (B, H, W, C_out).
    """
    return multiply(value, fold(weights, projection), projection)


def multiply(value: Tensor, matrix: Tensor, projection: nn.Conv2d | None) -> Tensor:
    """Multiply values (B, H, W, C) by a matrix (B, C, C_out), with the projection's bias."""
    out = torch.bmm(value.flatten(1, 2), matrix.to(value.dtype))
    bias = None if projection is None else projection.bias
    out = out if bias is None else out + bias.to(out.dtype)
    return out.view(*value.shape[:3], -1)


def add_multiplied(
    pixels: Tensor, values: Tensor, matrix: Tensor, projection: nn.Conv2d | None
) -> Tensor:
    """Compute ``pixels + multiply(values, ...)``, (B, H, W, C), with nothing to differentiate."""
    folded = matrix.to(values.dtype).transpose(1, 2)
    bias = None if projection is None else projection.bias
    bias = None if bias is None else bias.to(values.dtype)
    few = pixels.shape[1] * pixels.shape[2] <= FEW_PIXELS
    if few and bias is None and pixels.dtype == values.dtype:
        base, flat = pixels.flatten(1, 2), values.flatten(1, 2)
        return torch.baddbmm(base, flat, folded.transpose(1, 2)).view(pixels.shape)
    small = pixels.shape[1] * pixels.shape[2] <= 4 * FEW_PIXELS
    if len(pixels) > 1 and small and bias is None and can_be_grouped(values, pixels, matrix):
        library, added = native(), pixels.clone()
        assert library is not None
        flat, out = values.flatten(1, 2), added.flatten(1, 2)
        grouped(library, flat, matrix.unsqueeze(1), out, adds=True)
        return added
    answer, mixing = torch.empty_like(pixels), [PixelLinear(one, bias) for one in folded]
    by_kernel = mixing[0].library_for(values[0], answer[0], pixels[0]) is not None
    # A kernel goes through a whole map as fast.
    strip_by_strip = strips(size_of(pixels), pixels.shape[3], values.dtype)
    for images, rows in [(slice(None), slice(None))] if by_kernel else strip_by_strip:
        for image in range(len(pixels))[images]:
            place = image, rows
            mixing[image](values[place], answer[place], plus=pixels[place])
    return answer


def fold(weights: Tensor, projection: nn.Conv2d | None) -> Tensor:
    """Projection and attention in one matrix per image: (B, heads, c, c) -> (B, C, C_out)."""
    batch, heads, width = weights.shape[:3]
    if projection is None:
        # (heads, c, d) -> (heads, d, heads, c), zero between heads.
        apart = torch.eye(heads, dtype=weights.dtype, device=weights.device)
        matrix = torch.einsum('hk,bhcd->bhdkc', apart, weights)
    else:
        # (C_out, heads, c) x (heads, c, d) -> (heads, d, C_out).
        kernel = projection.weight.to(weights.dtype).reshape(-1, heads, width)
        matrix = torch.einsum('ohc,bhcd->bhdo', kernel, weights)
    return matrix.reshape(batch, heads * width, -1)


def attention_matrix(
    product: Tensor, squares: Tensor, temperature: Tensor, projection: nn.Conv2d | None
) -> Tensor:
    """Compute what values are multiplied by, (B, C, C_out), with nothing to differentiate.

    Args:
        product: ``q^T k`` of each head, (B, heads, c, c).
        squares: Of queries and keys, summed over the pixels, (B, 2 C).
        temperature: (heads, 1, 1).
        projection: See ``channel_attention``.
    """
    batch, heads, width, _ = product.shape
    kernel = None if projection is None else projection.weight.detach().flatten(1)
    library = kernels_for(product, temperature, kernel)
    if library is not None:
        return matrices.attention_matrix(library, product, squares, temperature, kernel)
    norms = inverse_norms(squares.view(batch, 2, heads, width))
    return fold(weigh(product, norms, temperature), projection)


def kernels_for(product: Tensor, temperature: Tensor, kernel: Tensor | None) -> ctypes.CDLL | None:
    """Give the kernels where they know such matrices, see ``matrices.attention_matrix``."""
    made = product.shape[1] * product.shape[2] if kernel is None else len(kernel)
    there = [one for one in (product, temperature, kernel) if one is not None]
    plain = all(one.dtype == torch.float32 and one.device.type == 'cpu' for one in there)
    return native() if plain and not made % LANES else None


def add_products(total: Tensor, query: Tensor, key: Tensor) -> None:
    """Add ``q^T k`` of each head to ``total``, (B, heads, c, c), given (B, H, W, C) twice.

    One by one where a map is large, or there are few: a batch of products that sum over so many
    pixels takes twice as long in bfloat16.
    """
    batch, heads, width, _ = total.shape
    many = batch * heads > FEW_PRODUCTS and query.shape[1] * query.shape[2] <= 4 * FEW_PIXELS
    if many and not heads * width % LANES and total.is_contiguous():
        alike = query.dtype == key.dtype == total.dtype == torch.float32
        library = native() if alike and total.device.type == 'cpu' else None
        if library is not None:
            query, key = query.flatten(1, 2), key.flatten(1, 2)
            if width % LANES:
                whole = total.new_zeros(batch, 1, heads * width, heads * width)
                add_grouped_outer(library, query, key, whole)
                blocks = whole.view(batch, heads, width, heads, width).diagonal(dim1=1, dim2=3)
                total += blocks.permute(0, 3, 1, 2)
            else:
                add_grouped_outer(library, query, key, total)
            return
    query, key = (x.reshape(batch, -1, heads, width) for x in (query, key))
    if query.shape[1] <= FEW_PIXELS and batch * heads > FEW_PRODUCTS:
        total += torch.einsum('bphc,bphd->bhcd', query, key)
        return
    for image in range(batch):
        for head in range(heads):
            add_outer_product(total[image, head], query[image, :, head], key[image, :, head])


def squares_of(x: Tensor) -> Tensor:
    """Sum the squares over the pixels, (B, pixels, ...) -> (B, ...), float32 or float64."""
    return exact(x).square().sum(1)


def inverse_norms(squares: Tensor, query_norm: QueryNorm = 'channel') -> Tensor:
    """One over L2 norms, of the query and of the key, given their squares: (B, 2, heads, C)."""
    if query_norm == 'head':
        query, key = squares.unbind(1)
        squares = torch.stack([query.mean(-1, keepdim=True).expand_as(key), key], 1)
    # A channel that is zero everywhere (an empty band) has no direction. It gets none, and no
    # gradient: the quotient's would be infinite.
    return squares.masked_fill(squares <= 1e-24, torch.inf).rsqrt()


def exact(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 if it is."""
    return x if x.dtype == torch.float64 else x.float()
