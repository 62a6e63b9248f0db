"""Products of pixels with a matrix as one Triton kernel, with what stands around them.

A norm before, an activation, a factor and a map to add after: one launch, and nothing in between is
ever written down. A program owns a tile of pixels and goes through tiles of columns; rows that fit
are read and normalised once, longer ones piece by piece for each tile.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import LANES, PROGRAMS_AT_ONCE
from irbox.triton_kernels.tiles import gelu, product, products_in, row_stride, tile_of

WIDEST = 256
"""Rows that are read once, whatever the columns."""
LEAST_MANY, MOST_MANY = 64, 128
"""Rows, above the first, up to the second, whose two products in float32 take larger tiles."""
# Ignored types: Triton has no stubs, and its compiler reads the kernels' annotations.


@triton.jit  # type: ignore[untyped-decorator]
def _normalize(  # type: ignore[no-untyped-def]
    given, mean, scale, norm_weight, norm_bias, k, is_in, centers: tl.constexpr
):
    """Norm pieces of rows whose statistics are known."""
    given = given.to(tl.float32)
    if centers:
        given = given - mean[:, None]
    weighed = tl.load(norm_weight + k, mask=is_in, other=0.0).to(tl.float32)
    given = given * scale[:, None] * weighed[None, :]
    if centers:
        given = given + tl.load(norm_bias + k, mask=is_in, other=0.0).to(tl.float32)[None, :]
    return given


@triton.jit(do_not_specialize=['pixels', 'tiles_each'])  # type: ignore[untyped-decorator]
def _project_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    norm_weight,
    norm_bias,
    second,
    second_bias,
    factor,
    base,
    base_factor,
    out,
    pixels,
    width_given,
    width_in,
    width_out,
    x_stride,
    weight_stride,
    factor_stride,
    base_stride,
    out_stride,
    branch_stride,
    image_stride,
    bias_stride,
    tiles_each,
    eps,
    norms: tl.constexpr,
    centers: tl.constexpr,
    whole: tl.constexpr,
    has_bias: tl.constexpr,
    has_second: tl.constexpr,
    has_factor: tl.constexpr,
    has_base: tl.constexpr,
    has_base_factor: tl.constexpr,
    activation: tl.constexpr,
    halves: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_in: tl.constexpr,
    tile_out: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    tiles = tl.cdiv(branch_stride, tile_out)
    columns = tiles * 2 if has_second else tiles
    groups = tl.cdiv(columns, tiles_each)
    # Programs of the same pixels are neighbours: they find them in the cache.
    first = (tl.program_id(0) % groups) * tiles_each
    p = (tl.program_id(0) // groups) * tile_pixels + tl.arange(0, tile_pixels)
    is_pixel = p < pixels
    row = image * pixels + p.to(tl.int64)
    k = tl.arange(0, tile_in)
    computed = tl.bfloat16 if halves else tl.float32
    lines_of_x = x + row[:, None] * x_stride

    mean = tl.zeros([tile_pixels], tl.float32)
    scale = tl.zeros([tile_pixels], tl.float32)
    if whole:
        # What lies beyond a row's end, up to whole vectors, is zero: read, so that loads are whole.
        there = is_pixel[:, None] & (k < width_given)[None, :]
        kept = tl.load(lines_of_x + k[None, :], mask=there, other=0.0)
        if norms:
            mean = tl.sum(kept.to(tl.float32), axis=1) / width_in
            away = tl.where((k < width_in)[None, :], kept.to(tl.float32) - mean[:, None], 0.0)
            scale = tl.rsqrt(tl.sum(away * away, axis=1) / width_in + eps)
            kept = _normalize(kept, mean, scale, norm_weight, norm_bias, k, k < width_in, centers)
        kept = kept.to(computed)
    elif norms:
        for start in range(0, width_in, tile_in):
            inside = is_pixel[:, None] & (start + k < width_in)[None, :]
            value = tl.load(lines_of_x + (start + k)[None, :], mask=inside, other=0.0)
            mean += tl.sum(value.to(tl.float32), axis=1)
        mean = mean / width_in
        for start in range(0, width_in, tile_in):
            inside = is_pixel[:, None] & (start + k < width_in)[None, :]
            value = tl.load(lines_of_x + (start + k)[None, :], mask=inside, other=0.0)
            value = value.to(tl.float32) - mean[:, None]
            scale += tl.sum(tl.where(inside, value * value, 0.0), axis=1)
        scale = tl.rsqrt(scale / width_in + eps)

    for column in range(first, tl.minimum(first + tiles_each, columns)):
        branch = column // tiles
        n = (column % tiles) * tile_out + tl.arange(0, tile_out)
        is_out = n < width_out
        matrix = weight + image * image_stride
        if has_second:
            matrix = second if branch == 1 else matrix
        lines = matrix + n[None, :] * weight_stride
        total = tl.zeros([tile_pixels, tile_out], tl.float32)
        if whole:
            wanted = (k < width_in)[:, None] & is_out[None, :]
            line = tl.load(lines + k[:, None], mask=wanted, other=0.0).to(computed)
            total = product(kept, line, total, precision, widens)
        else:
            for start in range(0, width_given, tile_in):
                is_in = start + k < width_in
                given = tl.load(
                    lines_of_x + (start + k)[None, :],
                    mask=is_pixel[:, None] & (start + k < width_given)[None, :],
                    other=0.0,
                )
                if norms:
                    given = _normalize(
                        given, mean, scale, norm_weight, norm_bias, start + k, is_in, centers
                    )
                wanted = is_in[:, None] & is_out[None, :]
                line = tl.load(lines + (start + k)[:, None], mask=wanted, other=0.0).to(computed)
                total = product(given.to(computed), line, total, precision, widens)
        if has_bias:
            shifts = bias + image * bias_stride
            if has_second:
                shifts = second_bias if branch == 1 else shifts
            total += tl.load(shifts + n, mask=is_out, other=0.0).to(tl.float32)[None, :]
        if activation == 1:
            if has_second:
                if branch == 1:  # not computed in vain for the other
                    total = tl.sigmoid(total)
            else:
                total = tl.sigmoid(total)
        if activation == 2:
            total = gelu(total)
        cells = is_pixel[:, None] & is_out[None, :]
        if has_factor:
            place = factor + row[:, None] * factor_stride + n[None, :]
            total = total * tl.load(place, mask=cells, other=0.0).to(tl.float32)
        if has_base:
            place = base + row[:, None] * base_stride + n[None, :]
            added = tl.load(place, mask=cells, other=0.0).to(tl.float32)
            if has_base_factor:
                added *= tl.load(base_factor + n, mask=is_out, other=0.0).to(tl.float32)[None, :]
            total = total + added
        place = out + row[:, None] * out_stride + branch * branch_stride + n[None, :]
        # Columns beyond the last are zeros: what reads whole vectors of them adds nothing.
        total = tl.where(is_out[None, :], total, 0.0)
        tl.store(place, total, mask=is_pixel[:, None] & (n < branch_stride)[None, :])


def project(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    second: Tensor | None,
    second_bias: Tensor | None,
    factor: Tensor | None,
    base: Tensor | None,
    base_factor: Tensor | None,
    activation: int,
    eps: float,
    halves: bool,
    allow_tf32: bool,
    out: Tensor,
) -> None:
    """Run the kernel, described by `operators.project`, and write into ``out``."""
    images = 1
    if weight.ndim == 3:
        images = len(weight)
    elif bias is not None and bias.ndim == 2:
        images = len(bias)
    width_out, width_in = weight.shape[-2:]
    pixels = rows.shape[0] // images
    branch = out.shape[1] // (1 if second is None else 2)
    given = rows.shape[1]
    norms = norm_weight is not None
    # In bfloat16 a row fits.
    whole = halves and given <= WIDEST
    tile_in = tile_of(given, WIDEST if whole else 64 if halves else 32)
    is_halved = weight.dtype == torch.bfloat16 and weight.stride(-2) % LANES == 0
    # As measured (an H100): small tiles have more programs at work, large ones read weights less
    # often, which pays where those are many and in float32.
    many = second is not None and LEAST_MANY < tile_in <= MOST_MANY
    small = halves and (is_halved or (whole and not many))
    stages = 1
    if halves and is_halved:
        # Two of the widest would be more than a program may have on every device.
        stages = 3 if not whole else 2 if second is not None and tile_in <= MOST_MANY else 1
    elif allow_tf32 and given % LANES == weight.stride(-2) % LANES == 0:
        stages = 3  # whole vectors in float32 too
    tile = {
        'tile_pixels': tile_of(pixels, 128 if halves and not small else 64),
        'tile_in': tile_in,
        'tile_out': tile_of(branch, 64),
    }
    columns = triton.cdiv(branch, tile['tile_out']) * (1 if second is None else 2)
    programs = triton.cdiv(pixels, tile['tile_pixels']) * images
    # As many programs as keep a device busy, and as many columns each as that leaves.
    shared_by = max(1, min(columns, PROGRAMS_AT_ONCE // programs))
    each = triton.cdiv(columns, shared_by)
    grid = (triton.cdiv(pixels, tile['tile_pixels']) * triton.cdiv(columns, each), images)
    _project_kernel[grid](
        rows,
        weight,
        bias,
        norm_weight,
        norm_bias,
        second,
        second_bias,
        factor,
        base,
        base_factor,
        out,
        pixels,
        given,
        width_in,
        width_out,
        row_stride(rows),
        weight.stride(-2),
        row_stride(factor),
        row_stride(base),
        row_stride(out),
        branch,
        weight.stride(0) if weight.ndim == 3 else 0,
        bias.stride(0) if bias is not None and bias.ndim == 2 else 0,
        each,
        eps,
        norms=norms,
        centers=norm_bias is not None,
        whole=whole,
        has_bias=bias is not None,
        has_second=second is not None,
        has_factor=factor is not None,
        has_base=base is not None,
        has_base_factor=base_factor is not None,
        activation=activation,
        halves=halves,
        **products_in(torch.bfloat16 if halves else torch.float32, allow_tf32),
        **tile,
        num_warps=8 if halves and not small else 4,
        # Weights in float32 are no whole vectors where a width is odd: fetched ahead, number by
        # number, they took ten times as long (an H100, 127 and 255 channels).
        num_stages=stages,
    )
