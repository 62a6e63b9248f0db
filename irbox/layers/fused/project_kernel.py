"""Products of pixels with a matrix as one Triton kernel, with what stands around them.

A norm or a depthwise 3x3 convolution before, an activation, a factor and a map to add after: one
launch, and nothing in between is ever written down. A program owns a tile of pixels and of columns;
a norm's statistics are taken of the whole rows first, in float32; a convolution is computed anew
for each tile of columns, of which there are few.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.depthwise_kernel import convolve
from irbox.layers.fused.tiles import product, products_in, row_stride, tile_of

# Ignored types: Triton has no stubs, and its compiler reads the kernels' annotations.


@triton.jit  # type: ignore[untyped-decorator]
def _project_kernel(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    norm_weight,
    norm_bias,
    kernel,
    kernel_bias,
    second,
    second_bias,
    factor,
    base,
    base_factor,
    out,
    pixels,
    height,
    width,
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
    eps,
    norms: tl.constexpr,
    centers: tl.constexpr,
    convolves: tl.constexpr,
    has_kernel_bias: tl.constexpr,
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
    branches = 2 if has_second else 1
    # Tiles of the same pixels are neighbours: they find them in the cache.
    column = tl.program_id(0) % (tiles * branches)
    p = (tl.program_id(0) // (tiles * branches)) * tile_pixels + tl.arange(0, tile_pixels)
    is_pixel = p < pixels
    row = image * pixels + p.to(tl.int64)
    branch = column // tiles
    n = (column % tiles) * tile_out + tl.arange(0, tile_out)
    is_out = n < width_out
    k = tl.arange(0, tile_in)
    computed = tl.bfloat16 if halves else tl.float32

    mean = tl.zeros([tile_pixels], tl.float32)
    scale = tl.zeros([tile_pixels], tl.float32)
    if norms:
        for start in range(0, width_in, tile_in):
            inside = is_pixel[:, None] & (start + k < width_in)[None, :]
            place = x + row[:, None] * x_stride + (start + k)[None, :]
            mean += tl.sum(tl.load(place, mask=inside, other=0.0).to(tl.float32), axis=1)
        mean = mean / width_in
        for start in range(0, width_in, tile_in):
            inside = is_pixel[:, None] & (start + k < width_in)[None, :]
            place = x + row[:, None] * x_stride + (start + k)[None, :]
            value = tl.load(place, mask=inside, other=0.0).to(tl.float32) - mean[:, None]
            scale += tl.sum(tl.where(inside, value * value, 0.0), axis=1)
        scale = tl.rsqrt(scale / width_in + eps)

    matrix = weight + image * image_stride
    if has_second:
        matrix = second if branch == 1 else matrix
    total = tl.zeros([tile_pixels, tile_out], tl.float32)
    for start in range(0, width_given, tile_in):
        is_in = start + k < width_in
        # What lies beyond a row's end, up to whole vectors, is zero: read, so that loads are whole.
        is_given = start + k < width_given
        if convolves:
            given = convolve(
                x, kernel, kernel_bias, row, p // width, p % width, start + k, is_pixel, is_given,
                height, width, x_stride, 0, 0, has_kernel_bias, tile_pixels, tile_in,
            )  # fmt: skip
        else:
            place = x + row[:, None] * x_stride + (start + k)[None, :]
            given = tl.load(place, mask=is_pixel[:, None] & is_given[None, :], other=0.0)
        if norms:
            given = given.to(tl.float32)
            if centers:
                given = given - mean[:, None]
            weighed = tl.load(norm_weight + start + k, mask=is_in, other=0.0).to(tl.float32)
            given = given * scale[:, None] * weighed[None, :]
            if centers:
                shift = tl.load(norm_bias + start + k, mask=is_in, other=0.0).to(tl.float32)
                given = given + shift[None, :]
        lines = matrix + n[None, :] * weight_stride + (start + k)[:, None]
        line = tl.load(lines, mask=is_in[:, None] & is_out[None, :], other=0.0)
        total = product(given.to(computed), line.to(computed), total, precision, widens)
    if has_bias:
        shifts = bias + image * bias_stride
        if has_second:
            shifts = second_bias if branch == 1 else shifts
        total += tl.load(shifts + n, mask=is_out, other=0.0).to(tl.float32)[None, :]
    if activation == 1:
        gate = tl.sigmoid(total)
        total = tl.where(branch == 1, gate, total) if has_second else gate
    if activation == 2:
        total = 0.5 * total * (1.0 + tl.math.erf(total * 0.7071067811865476))
    inside = is_pixel[:, None] & is_out[None, :]
    if has_factor:
        place = factor + row[:, None] * factor_stride + n[None, :]
        total = total * tl.load(place, mask=inside, other=0.0).to(tl.float32)
    if has_base:
        place = base + row[:, None] * base_stride + n[None, :]
        added = tl.load(place, mask=inside, other=0.0).to(tl.float32)
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
    kernel: Tensor | None,
    kernel_bias: Tensor | None,
    second: Tensor | None,
    second_bias: Tensor | None,
    factor: Tensor | None,
    base: Tensor | None,
    base_factor: Tensor | None,
    height: int,
    width: int,
    activation: int,
    eps: float,
    halves: bool,
    out: Tensor,
) -> None:
    """Run the kernel, described by `operators.project`, and write into ``out``."""
    images = 1
    if weight.ndim == 3:
        images = len(weight)
    elif bias is not None and bias.ndim == 2:
        images = len(bias)
    elif kernel is not None:
        images = len(rows) // (height * width)
    width_out, width_in = weight.shape[-2:]
    pixels = rows.shape[0] // images
    branch = out.shape[1] // (1 if second is None else 2)
    tile = {
        'tile_pixels': tile_of(pixels, 64),
        'tile_in': tile_of(rows.shape[1], 32),
        'tile_out': tile_of(branch, 128 if branch > 96 else 64),
    }
    columns = triton.cdiv(branch, tile['tile_out']) * (1 if second is None else 2)
    grid = (triton.cdiv(pixels, tile['tile_pixels']) * columns, images)
    _project_kernel[grid](
        rows,
        weight,
        bias,
        norm_weight,
        norm_bias,
        kernel,
        kernel_bias,
        second,
        second_bias,
        factor,
        base,
        base_factor,
        out,
        pixels,
        height,
        width,
        rows.shape[1],
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
        eps,
        norms=norm_weight is not None,
        centers=norm_bias is not None,
        convolves=kernel is not None,
        has_kernel_bias=kernel_bias is not None,
        has_bias=bias is not None,
        has_second=second is not None,
        has_factor=factor is not None,
        has_base=base is not None,
        has_base_factor=base_factor is not None,
        activation=activation,
        halves=halves,
        **products_in(torch.bfloat16 if halves else torch.float32),
        **tile,
        # Loads that are not convolved are fetched ahead; nine at once would not fit the chip.
        num_warps=8 if kernel is not None or tile['tile_out'] > 64 else 4,
        num_stages=1 if kernel is not None else 2,
    )
