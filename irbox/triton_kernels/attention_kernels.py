"""Attention across channels as two Triton kernels: its sums over the pixels, and its matrix.

The first sums the products and squares of queries and keys over a part of the pixels, each program
into a place of its own. The second adds the parts up in their
order, the same bits every time, divides by the norms, takes the softmax and folds the output
projection in. What is left of attention is one product per pixel (`project_kernel`).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels import sizes
from irbox.triton_kernels.sizes import ROWS, WIDEST_HEAD
from irbox.triton_kernels.tiles import product, products_in, row_stride, tile_of

WIDEST = triton.next_power_of_2(WIDEST_HEAD)
PARTS_AT_ONCE = tl.constexpr(sizes.PARTS_AT_ONCE)


@triton.jit(do_not_specialize=['pixels', 'share'])  # type: ignore[untyped-decorator]
def _gram_kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    sums,
    squares,
    pixels,
    share,
    heads,
    width,
    query_stride,
    key_stride,
    halves: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_width: tl.constexpr,
):
    part, image = tl.program_id(0), tl.program_id(2)
    head, chunk = tl.program_id(1) % heads, tl.program_id(1) // heads
    c, r = tl.arange(0, tile_width), chunk * tile_rows + tl.arange(0, tile_rows)
    is_column, is_row = c < width, r < width
    total = tl.zeros([tile_rows, tile_width], tl.float32)
    of_query = tl.zeros([tile_rows], tl.float32)
    of_key = tl.zeros([tile_width], tl.float32)
    computed = tl.bfloat16 if halves else tl.float32
    last = tl.minimum(pixels, (part + 1) * share)
    for start in range(part * share, last, tile_pixels):
        p = start + tl.arange(0, tile_pixels)
        row, is_pixel = image.to(tl.int64) * pixels + p, p < last
        place = query + row[:, None] * query_stride + (head * width + r)[None, :]
        q = tl.load(place, mask=is_pixel[:, None] & is_row[None, :], other=0.0)
        place = key + row[:, None] * key_stride + (head * width + c)[None, :]
        k = tl.load(place, mask=is_pixel[:, None] & is_column[None, :], other=0.0)
        total = product(tl.trans(q.to(computed)), k.to(computed), total, precision, widens)
        q, k = q.to(tl.float32), k.to(tl.float32)
        of_query += tl.sum(q * q, axis=0)
        of_key += tl.sum(k * k, axis=0)
    place = (image * tl.num_programs(0) + part) * heads + head
    cell = (place * width + r[:, None]) * width + c[None, :]
    tl.store(sums + cell, total, mask=is_row[:, None] & is_column[None, :])
    tl.store(squares + 2 * place * width + r, of_query, mask=is_row)
    # The same numbers, whoever of the programs that share a head writes them last.
    tl.store(squares + (2 * place + 1) * width + c, of_key, mask=is_column)


@triton.jit
def _over_norm(squares):  # type: ignore[no-untyped-def]
    """One over the root; a channel that is zero everywhere has no direction (`inverse_norms`)."""
    return tl.where(squares > 1e-24, tl.rsqrt(squares), 0.0)


@triton.jit  # type: ignore[untyped-decorator]
def _squares(  # type: ignore[no-untyped-def]
    squares, image, head, heads, parts, width, which, c, size: tl.constexpr
):
    total = tl.zeros([size], tl.float32)
    for start in range(0, parts, PARTS_AT_ONCE):
        for more in tl.static_range(PARTS_AT_ONCE):
            part = start + more
            place = 2 * ((image * parts + part) * heads + head) + which
            total += tl.load(squares + place * width + c, mask=c < width, other=0.0)
    return total


@triton.jit  # type: ignore[untyped-decorator]
def scores_of(  # type: ignore[no-untyped-def]
    sums, squares, image, head, heads, parts, width, first,
    query_by_head: tl.constexpr, tile_rows: tl.constexpr, tile_width: tl.constexpr,
):  # fmt: skip
    """Some rows of a head's scores, and one over the norms of its queries and keys."""
    c, r = tl.arange(0, tile_width), first + tl.arange(0, tile_rows)
    inside = (r < width)[:, None] & (c < width)[None, :]
    total = tl.zeros([tile_rows, tile_width], tl.float32)
    cell = r[:, None] * width + c[None, :]
    for start in range(0, parts, PARTS_AT_ONCE):
        # Several at a time: one program reads them all, and waits for each.
        for more in tl.static_range(PARTS_AT_ONCE):
            part = start + more
            place = ((image * parts + part) * heads + head) * width * width
            total += tl.load(sums + place + cell, mask=inside, other=0.0)
    if query_by_head:
        whole = _squares(squares, image, head, heads, parts, width, 0, c, tile_width)
        of_query = tl.zeros([tile_rows], tl.float32) + tl.sum(whole, axis=0) / width
    else:
        of_query = _squares(squares, image, head, heads, parts, width, 0, r, tile_rows)
    of_key = _squares(squares, image, head, heads, parts, width, 1, c, tile_width)
    by_query, by_key = _over_norm(of_query), _over_norm(of_key)
    return total * by_query[:, None] * by_key[None, :], by_query, by_key


@triton.jit
def softmax(scores, r, c, width):  # type: ignore[no-untyped-def]
    """Attention weights of rows of a head, zero beyond its width."""
    scores = tl.where((c < width)[None, :], scores, float('-inf'))
    weights = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    return tl.where((r < width)[:, None] & (c < width)[None, :], weights, 0.0)


@triton.jit  # type: ignore[untyped-decorator]
def _attention(  # type: ignore[no-untyped-def]
    sums, squares, temperature, image, head, heads, parts, width, first,
    query_by_head: tl.constexpr, tile_rows: tl.constexpr, tile_width: tl.constexpr,
):  # fmt: skip
    """Some rows of a head's attention weights."""
    c, r = tl.arange(0, tile_width), first + tl.arange(0, tile_rows)
    scores, _, _ = scores_of(
        sums, squares, image, head, heads, parts, width, first,
        query_by_head, tile_rows, tile_width,
    )  # fmt: skip
    return softmax(scores * tl.load(temperature + head).to(tl.float32), r, c, width)


@triton.jit  # type: ignore[untyped-decorator]
def lines_of(  # type: ignore[no-untyped-def]
    projection, o, r, head, width, width_out, joint, projects: tl.constexpr
):
    """What the output projection, or none, takes of some of a head's channels, (out, rows)."""
    inside = (o < width_out)[:, None] & (r < width)[None, :]
    column = (head * width + r)[None, :]
    if projects:
        lines = tl.load(projection + o[:, None] * joint + column, mask=inside, other=0.0)
        return lines.to(tl.float32)
    else:
        return tl.where(inside & (o[:, None] == column), 1.0, 0.0)


@triton.jit  # type: ignore[untyped-decorator]
def _matrix_kernel(  # type: ignore[no-untyped-def]
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
    tile_rows: tl.constexpr,
    tile_width: tl.constexpr,
    tile_out: tl.constexpr,
):
    head, image = tl.program_id(0), tl.program_id(1)
    heads = tl.num_programs(0)
    joint = heads * width
    c, r = tl.arange(0, tile_width), tl.arange(0, tile_rows)
    upper = _attention(
        sums, squares, temperature, image, head, heads, parts, width, 0,
        query_by_head, tile_rows, tile_width,
    )  # fmt: skip
    # Two halves, whose products one after the other fit the chip.
    lower = upper
    if tile_width > tile_rows:
        lower = _attention(
            sums, squares, temperature, image, head, heads, parts, width, tile_rows,
            query_by_head, tile_rows, tile_width,
        )  # fmt: skip
    for start in range(0, width_out, tile_out):
        o = start + tl.arange(0, tile_out)
        lines = lines_of(projection, o, r, head, width, width_out, joint, projects)
        folded = tl.zeros([tile_out, tile_width], tl.float32)
        folded = tl.dot(lines, upper, folded, input_precision=precision)
        if tile_width > tile_rows:
            lines = lines_of(projection, o, tile_rows + r, head, width, width_out, joint, projects)
            folded = tl.dot(lines, lower, folded, input_precision=precision)
        place = out + (image * width_out + o)[:, None] * joint + (head * width + c)[None, :]
        tl.store(place, folded, mask=(o < width_out)[:, None] & (c < width)[None, :])


def gram(
    query: Tensor, key: Tensor, images: int, heads: int, sums: Tensor, squares: Tensor
) -> None:
    """Run the first kernel, described by `operators.gram`."""
    _, parts, heads, head_width, _ = sums.shape
    pixels = len(query) // images
    tile_width = tile_of(head_width, WIDEST)
    halves = query.dtype == torch.bfloat16
    tile_pixels = 128 if halves else 32
    share = triton.cdiv(triton.cdiv(pixels, parts), tile_pixels) * tile_pixels
    tile_rows = min(tile_width, ROWS)
    _gram_kernel[parts, heads * triton.cdiv(head_width, tile_rows), images](
        query,
        key,
        sums,
        squares,
        pixels,
        share,
        heads,
        head_width,
        row_stride(query),
        row_stride(key),
        halves=halves,
        **products_in(query.dtype),
        tile_pixels=tile_pixels,
        tile_rows=tile_rows,
        tile_width=tile_width,
        num_warps=4,
        num_stages=2,
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
    tile_width = tile_of(width, WIDEST)
    # Three TF32 products need twice the memory, more than some devices have for a wide head.
    precision = products_in(torch.float32)['precision'] if width <= ROWS else 'ieee'
    if halves:  # the answer is rounded further than one rounds
        precision = 'tf32'
    _matrix_kernel[heads, images](
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
        precision=precision,
        tile_rows=min(tile_width, ROWS),
        tile_width=tile_width,
        tile_out=tile_of(out.shape[1], 32),
        num_warps=4 if width <= 64 else 8,
        num_stages=1,
    )
