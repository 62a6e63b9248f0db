"""Attention across channels as two Triton kernels: its sums over the pixels, and its matrix.

The first convolves queries and keys, 3x3 and depthwise, and sums their products and squares over a
part of the pixels, each program into a place of its own. The second adds the parts up in their order, the same bits every time, divides
by the norms, takes the softmax and folds the output projection in. What is left of attention is one
product per pixel (`project_kernel`).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.depthwise_kernel import convolve
from irbox.layers.fused.tiles import product, products_in, row_stride, tile_of

@triton.jit  # type: ignore[untyped-decorator]
def _gram_kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    query_kernel,
    query_bias,
    key_kernel,
    key_bias,
    sums,
    squares,
    pixels,
    share,
    height,
    map_width,
    width,
    query_stride,
    key_stride,
    has_bias: tl.constexpr,
    halves: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_width: tl.constexpr,
):
    part, head, image = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    heads = tl.num_programs(1)
    c = tl.arange(0, tile_width)
    is_channel = c < width
    total = tl.zeros([tile_width, tile_width], tl.float32)
    of_query = tl.zeros([tile_width], tl.float32)
    of_key = tl.zeros([tile_width], tl.float32)
    computed = tl.bfloat16 if halves else tl.float32
    last = tl.minimum(pixels, (part + 1) * share)
    for start in range(part * share, last, tile_pixels):
        p = start + tl.arange(0, tile_pixels)
        row = image.to(tl.int64) * pixels + p
        y, x, column = p // map_width, p % map_width, head * width + c
        q = convolve(
            query, query_kernel, query_bias, row, y, x, column, p < last, is_channel, height,
            map_width, query_stride, 0, 0, has_bias, tile_pixels, tile_width,
        )  # fmt: skip
        k = convolve(
            key, key_kernel, key_bias, row, y, x, column, p < last, is_channel, height,
            map_width, key_stride, 0, 0, has_bias, tile_pixels, tile_width,
        )  # fmt: skip
        # A bias has no pixel: beyond the last there must be nothing.
        q = tl.where((p < last)[:, None], q, 0.0)
        k = tl.where((p < last)[:, None], k, 0.0)
        total = product(tl.trans(q.to(computed)), k.to(computed), total, precision, widens)
        of_query += tl.sum(q * q, axis=0)
        of_key += tl.sum(k * k, axis=0)
    place = (image * tl.num_programs(0) + part) * heads + head
    cell = place * width * width + c[:, None] * width + c[None, :]
    tl.store(sums + cell, total, mask=is_channel[:, None] & is_channel[None, :])
    tl.store(squares + 2 * place * width + c, of_query, mask=is_channel)
    tl.store(squares + (2 * place + 1) * width + c, of_key, mask=is_channel)


@triton.jit  # type: ignore[untyped-decorator]
def _weights_kernel(  # type: ignore[no-untyped-def]
    sums,
    squares,
    temperature,
    projection,
    out,
    parts,
    width,
    width_out,
    query_by_head: tl.constexpr,
    projects: tl.constexpr,
    precision: tl.constexpr,
    tile_width: tl.constexpr,
    tile_out: tl.constexpr,
):
    head, image = tl.program_id(0), tl.program_id(1)
    heads = tl.num_programs(0)
    c = tl.arange(0, tile_width)
    is_channel = c < width
    is_pair = is_channel[:, None] & is_channel[None, :]
    total = tl.zeros([tile_width, tile_width], tl.float32)
    of_query = tl.zeros([tile_width], tl.float32)
    of_key = tl.zeros([tile_width], tl.float32)
    for part in range(parts):
        place = (image * parts + part) * heads + head
        cell = place * width * width + c[:, None] * width + c[None, :]
        total += tl.load(sums + cell, mask=is_pair, other=0.0)
        of_query += tl.load(squares + 2 * place * width + c, mask=is_channel, other=0.0)
        of_key += tl.load(squares + (2 * place + 1) * width + c, mask=is_channel, other=0.0)
    if query_by_head:
        of_query = tl.zeros([tile_width], tl.float32) + tl.sum(of_query, axis=0) / width
    # A channel that is zero everywhere has no direction, see `channel_attention.inverse_norms`.
    by_query = tl.where(of_query > 1e-24, tl.rsqrt(of_query), 0.0)
    by_key = tl.where(of_key > 1e-24, tl.rsqrt(of_key), 0.0)
    scores = total * by_query[:, None] * by_key[None, :]
    scores = scores * tl.load(temperature + head).to(tl.float32)
    scores = tl.where(is_channel[None, :], scores, float('-inf'))
    weights = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    weights = tl.where(is_pair, weights, 0.0)
    joint = heads * width
    for start in range(0, width_out, tile_out):
        o = start + tl.arange(0, tile_out)
        inside = (o < width_out)[:, None] & is_channel[None, :]
        column = (head * width + c)[None, :]
        if projects:
            line = tl.load(projection + o[:, None] * joint + column, mask=inside, other=0.0)
            line = line.to(tl.float32)
        else:
            line = tl.where(inside & (o[:, None] == column), 1.0, 0.0)
        folded = tl.zeros([tile_out, tile_width], tl.float32)
        folded = tl.dot(line, weights, folded, input_precision=precision)
        place = out + (image * width_out + o)[:, None] * joint + column
        tl.store(place, folded, mask=inside)


def gram(
    query: Tensor,
    key: Tensor,
    query_kernel: Tensor,
    query_bias: Tensor | None,
    key_kernel: Tensor,
    key_bias: Tensor | None,
    height: int,
    width: int,
    heads: int,
    sums: Tensor,
    squares: Tensor,
) -> None:
    """Run the first kernel, described by `operators.gram`."""
    images, parts, _, head_width, _ = sums.shape
    pixels = height * width
    tile_pixels = tile_of(pixels, 32)
    share = triton.cdiv(triton.cdiv(pixels, parts), tile_pixels) * tile_pixels
    _gram_kernel[parts, heads, images](
        query,
        key,
        query_kernel,
        query_bias,
        key_kernel,
        key_bias,
        sums,
        squares,
        pixels,
        share,
        height,
        width,
        head_width,
        row_stride(query),
        row_stride(key),
        has_bias=query_bias is not None,
        halves=query.dtype == torch.bfloat16,
        **products_in(query.dtype),
        tile_pixels=tile_pixels,
        tile_width=tile_of(head_width, 4096),
        num_warps=8,
        num_stages=1,
    )


def attention_matrix(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    query_by_head: bool,
    halves: bool,
    out: Tensor,
) -> None:
    """Run the second kernel, described by `operators.attention_matrix`."""
    images, parts, heads, width, _ = sums.shape
    _weights_kernel[heads, images](
        sums,
        squares,
        temperature,
        projection,
        out,
        parts,
        width,
        out.shape[1],
        query_by_head=query_by_head,
        projects=projection is not None,
        # Both halves of a wide matrix, which three TF32 products need, would not fit the chip.
        precision=products_in(torch.float32)['precision'] if width <= 64 else 'ieee',
        tile_width=tile_of(width, 4096),
        tile_out=tile_of(out.shape[1], 32),
        num_warps=4 if width <= 64 else 8,
        num_stages=1,
    )
