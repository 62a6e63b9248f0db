"""The gradients of attention across channels as two Triton kernels.

The first goes back from the matrix that values are multiplied by to the products and squares of
queries and keys, to the temperature and to the projection, head by head. The second multiplies
queries and keys by what it found.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.attention_kernels import (
    WIDEST,
    lines_of,
    scores_of,
    softmax,
)
from irbox.triton_kernels.sizes import ROWS
from irbox.triton_kernels.tiles import product, products_in, row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def _matrix_gradient_kernel(  # type: ignore[no-untyped-def]
    sums,
    squares,
    temperature,
    projection,
    of_matrix,
    of_product,
    twice,
    of_temperature,
    of_projection,
    parts,
    width,
    width_out,
    projects: tl.constexpr,
    precision: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_width: tl.constexpr,
    tile_out: tl.constexpr,
):
    head, image = tl.program_id(0), tl.program_id(1)
    heads = tl.num_programs(0)
    joint, place_of_head = heads * width, image * heads + head
    c = tl.arange(0, tile_width)
    by = tl.load(temperature + head).to(tl.float32)
    summed = tl.zeros([tile_width], tl.float32)
    cooled = tl.zeros([tile_rows], tl.float32)
    by_key = summed
    for chunk in tl.static_range(tile_width // tile_rows):
        r = chunk * tile_rows + tl.arange(0, tile_rows)
        inside = (r < width)[:, None] & (c < width)[None, :]
        scores, by_query, by_key = scores_of(
            sums, squares, image, head, heads, parts, width, chunk * tile_rows,
            False, tile_rows, tile_width,
        )  # fmt: skip
        weights = softmax(scores * by, r, c, width)
        of_weights = tl.zeros([tile_rows, tile_width], tl.float32)
        for start in range(0, width_out, tile_out):
            o = start + tl.arange(0, tile_out)
            lines = lines_of(projection, o, r, head, width, width_out, joint, projects)
            row = (image * width_out + o)[:, None] * joint + head * width
            wanted = (o < width_out)[:, None]
            place = of_matrix + row + c[None, :]
            given = tl.load(place, mask=wanted & (c < width)[None, :], other=0.0)
            of_weights = tl.dot(tl.trans(lines), given, of_weights, input_precision=precision)
            if projects:
                of_lines = tl.zeros([tile_out, tile_rows], tl.float32)
                of_lines = tl.dot(given, tl.trans(weights), of_lines, input_precision=precision)
                place = of_projection + row + r[None, :]
                tl.store(place, of_lines, mask=wanted & (r < width)[None, :])
        shared = tl.sum(weights * of_weights, axis=1)
        of_scores = weights * (of_weights - shared[:, None])
        cooled += tl.sum(of_scores * scores, axis=1)
        of_scores = of_scores * by
        answer = of_scores * by_query[:, None] * by_key[None, :]
        cell = place_of_head * width * width + r[:, None] * width + c[None, :]
        tl.store(of_product + cell, answer, mask=inside)
        # Of a square half the norm's, and the square's own gradient doubles it.
        of_query = -by_query * by_query * tl.sum(of_scores * scores, axis=1)
        tl.store(twice + 2 * place_of_head * width + r, of_query, mask=r < width)
        summed += tl.sum(of_scores * scores, axis=0)
    of_key = -by_key * by_key * summed
    tl.store(twice + (2 * place_of_head + 1) * width + c, of_key, mask=c < width)
    tl.store(of_temperature + place_of_head, tl.sum(cooled, axis=0))


@triton.jit(do_not_specialize=['pixels'])  # type: ignore[untyped-decorator]
def _query_key_gradient_kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    of_product,
    twice,
    of_query,
    of_key,
    pixels,
    heads,
    width,
    query_stride,
    key_stride,
    of_query_stride,
    of_key_stride,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_in: tl.constexpr,
    tile_out: tl.constexpr,
):
    chunks = tl.cdiv(width, tile_out)
    # Programs of the same pixels are neighbours: they find them in the cache.
    index, image = tl.program_id(0) % (2 * heads * chunks), tl.program_id(1)
    p = (tl.program_id(0) // (2 * heads * chunks)) * tile_pixels + tl.arange(0, tile_pixels)
    of_keys, head, chunk = index // (heads * chunks), (index // chunks) % heads, index % chunks
    place_of_head = image * heads + head
    n, k = chunk * tile_out + tl.arange(0, tile_out), tl.arange(0, tile_in)
    is_pixel, is_out = p < pixels, n < width
    row = image.to(tl.int64) * pixels + p
    column = head * width
    # Each one's gradient asks for the other.
    own, others, out = query, key, of_query
    own_stride, others_stride, out_stride = query_stride, key_stride, of_query_stride
    if of_keys == 1:
        own, others, out = key, query, of_key
        own_stride, others_stride, out_stride = key_stride, query_stride, of_key_stride
    step_in, step_out = tl.where(of_keys == 1, width, 1), tl.where(of_keys == 1, 1, width)
    total = tl.zeros([tile_pixels, tile_out], tl.float32)
    for start in range(0, width, tile_in):
        is_in = start + k < width
        place = others + row[:, None] * others_stride + (column + start + k)[None, :]
        given = tl.load(place, mask=is_pixel[:, None] & is_in[None, :], other=0.0)
        place = of_product + place_of_head * width * width
        place += ((start + k) * step_in)[:, None] + (n * step_out)[None, :]
        line = tl.load(place, mask=is_in[:, None] & is_out[None, :], other=0.0)
        total = product(given, line, total, precision, widens)
    by = tl.load(twice + (2 * place_of_head + of_keys) * width + n, mask=is_out, other=0.0)
    inside = is_pixel[:, None] & is_out[None, :]
    place = own + row[:, None] * own_stride + (column + n)[None, :]
    total += tl.load(place, mask=inside, other=0.0).to(tl.float32) * by[None, :]
    tl.store(out + row[:, None] * out_stride + (column + n)[None, :], total, mask=inside)


@triton.jit(do_not_specialize=['pixels'])  # type: ignore[untyped-decorator]
def _whole_heads_kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    of_product,
    twice,
    of_query,
    of_key,
    pixels,
    heads,
    width: tl.constexpr,
    query_stride: tl.constexpr,
    key_stride: tl.constexpr,
    of_query_stride: tl.constexpr,
    of_key_stride: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_width: tl.constexpr,
):
    head, image = tl.program_id(0) % heads, tl.program_id(1)
    p = (tl.program_id(0) // heads) * tile_pixels + tl.arange(0, tile_pixels)
    c = tl.arange(0, tile_width)
    is_channel, place_of_head = c < width, image * heads + head
    row, column = (image.to(tl.int64) * pixels + p)[:, None], (head * width + c)[None, :]
    inside = (p < pixels)[:, None] & is_channel[None, :]
    q = tl.load(query + row * query_stride + column, mask=inside, other=0.0)
    k = tl.load(key + row * key_stride + column, mask=inside, other=0.0)
    cell = of_product + place_of_head * width * width + c[:, None] * width + c[None, :]
    matrix = tl.load(cell, mask=is_channel[:, None] & is_channel[None, :], other=0.0)
    nothing = tl.zeros([tile_pixels, tile_width], tl.float32)
    by = tl.load(twice + 2 * place_of_head * width + c, mask=is_channel, other=0.0)
    total = product(k, tl.trans(matrix), nothing, precision, widens)
    total += q.to(tl.float32) * by[None, :]
    tl.store(of_query + row * of_query_stride + column, total, mask=inside)
    by = tl.load(twice + (2 * place_of_head + 1) * width + c, mask=is_channel, other=0.0)
    total = product(q, matrix, nothing, precision, widens) + k.to(tl.float32) * by[None, :]
    tl.store(of_key + row * of_key_stride + column, total, mask=inside)


def attention_matrix_gradient(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    of_matrix: Tensor,
    halves: bool,
    of_product: Tensor,
    twice: Tensor,
    of_temperature: Tensor,
    of_projection: Tensor,
) -> None:
    """Run the first kernel, described by `gradient_operators.attention_matrix_gradient`."""
    images, parts, heads, width, _ = sums.shape
    tile_width = tile_of(width, WIDEST)
    # What three TF32 products hold fits the registers in smaller tiles alone.
    tile_rows = min(tile_width, ROWS if halves or tile_width <= ROWS else ROWS // 2)
    _matrix_gradient_kernel[heads, images](
        sums,
        squares,
        temperature,
        projection,
        of_matrix,
        of_product,
        twice,
        of_temperature,
        of_projection,
        parts,
        width,
        of_matrix.shape[1],
        projects=projection is not None,
        precision='tf32' if halves else products_in(torch.float32)['precision'],
        tile_rows=tile_rows,
        tile_width=tile_width,
        tile_out=tile_of(of_matrix.shape[1], 32 if halves else 16),
        num_warps=4 if width <= 64 else 8,
        num_stages=1,
    )


def query_key_gradient(
    query: Tensor,
    key: Tensor,
    of_product: Tensor,
    twice: Tensor,
    joint: bool,
    of_query: Tensor,
    of_others: Tensor,
) -> None:
    """Run the second kernel, described by `gradient_operators.query_key_gradient`."""
    images, heads, width, _ = of_product.shape
    pixels, halves = len(query) // images, query.dtype == torch.bfloat16
    of_key = of_query[:, heads * width :] if joint else of_others
    if halves:
        # All of a head at once: in float32 its matrix would not fit the registers.
        tile_pixels = tile_of(pixels, 64)
        _whole_heads_kernel[triton.cdiv(pixels, tile_pixels) * heads, images](
            query,
            key,
            of_product,
            twice,
            of_query,
            of_key,
            pixels,
            heads,
            width=width,
            query_stride=row_stride(query),
            key_stride=row_stride(key),
            of_query_stride=row_stride(of_query),
            of_key_stride=row_stride(of_key),
            **products_in(query.dtype),
            tile_pixels=tile_pixels,
            tile_width=tile_of(width, WIDEST),
            num_warps=4,
            num_stages=1,
        )
        return
    tile = {
        'tile_pixels': tile_of(pixels, 64),
        'tile_in': tile_of(width, 32),
        'tile_out': tile_of(width, 64),
    }
    columns = 2 * heads * triton.cdiv(width, tile['tile_out'])
    _query_key_gradient_kernel[triton.cdiv(pixels, tile['tile_pixels']) * columns, images](
        query,
        key,
        of_product,
        twice,
        of_query,
        of_key,
        pixels,
        heads,
        width,
        row_stride(query),
        row_stride(key),
        row_stride(of_query),
        row_stride(of_key),
        **products_in(query.dtype),
        **tile,
        num_warps=4,
        num_stages=2,
    )
