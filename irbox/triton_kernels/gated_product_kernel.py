"""What attention answers, gated pixel by pixel, projected and added to a map, as one Triton kernel.

Two products one after the other. A program owns a tile of pixels, whole rows of it, so that what
stands between the products is never written down.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import WIDEST_GATED
from irbox.triton_kernels.tiles import product, products_in, row_stride, tile_of


@triton.jit(do_not_specialize=['pixels'])  # type: ignore[untyped-decorator]
def _gated_product_kernel(  # type: ignore[no-untyped-def]
    values,
    matrix,
    bias,
    gate,
    weight,
    weight_bias,
    base,
    out,
    pixels,
    channels,
    values_stride,
    matrix_stride,
    gate_stride,
    weight_stride,
    base_stride,
    out_stride,
    has_bias: tl.constexpr,
    has_weight_bias: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile: tl.constexpr,
    tile_out: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    p = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    k, c = tl.arange(0, tile), tl.arange(0, tile)
    is_pixel, row = p < pixels, image * pixels + p.to(tl.int64)
    inside = is_pixel[:, None] & (c < channels)[None, :]
    given = tl.load(values + row[:, None] * values_stride + c[None, :], mask=inside, other=0.0)
    opened = tl.load(gate + row[:, None] * gate_stride + c[None, :], mask=inside, other=0.0)
    is_weight = (k < channels)[:, None] & (c < channels)[None, :]
    lines = matrix + image * channels * matrix_stride + c[None, :] * matrix_stride + k[:, None]
    line = tl.load(lines, mask=is_weight, other=0.0)
    total = tl.zeros([tile_pixels, tile], tl.float32)
    total = product(given.to(tl.bfloat16), line.to(tl.bfloat16), total, precision, widens)
    if has_bias:
        total += tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    gated = (total * opened.to(tl.float32)).to(tl.bfloat16)
    for start in tl.static_range(0, tile, tile_out):
        n = start + tl.arange(0, tile_out)
        is_out = n < channels
        lines = weight + n[None, :] * weight_stride + k[:, None]
        line = tl.load(lines, mask=(k < channels)[:, None] & is_out[None, :], other=0.0)
        answer = tl.zeros([tile_pixels, tile_out], tl.float32)
        answer = product(gated, line.to(tl.bfloat16), answer, precision, widens)
        if has_weight_bias:
            answer += tl.load(weight_bias + n, mask=is_out, other=0.0).to(tl.float32)[None, :]
        cells = is_pixel[:, None] & is_out[None, :]
        place = base + row[:, None] * base_stride + n[None, :]
        answer += tl.load(place, mask=cells, other=0.0).to(tl.float32)
        tl.store(out + row[:, None] * out_stride + n[None, :], answer, mask=cells)


def gated_product(
    values: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    gate: Tensor,
    weight: Tensor,
    weight_bias: Tensor | None,
    base: Tensor,
    out: Tensor,
) -> None:
    """Run the kernel, described by `operators.gated_product`."""
    images, channels, _ = matrix.shape
    pixels = len(values) // images
    tile = tile_of(channels, WIDEST_GATED)
    tile_pixels = tile_of(pixels, 64)
    _gated_product_kernel[triton.cdiv(pixels, tile_pixels), images](
        values,
        matrix,
        bias,
        gate,
        weight,
        weight_bias,
        base,
        out,
        pixels,
        channels,
        row_stride(values),
        matrix.stride(1),
        row_stride(gate),
        weight.stride(0),
        row_stride(base),
        row_stride(out),
        has_bias=bias is not None,
        has_weight_bias=weight_bias is not None,
        **products_in(torch.bfloat16),
        tile_pixels=tile_pixels,
        tile=tile,
        tile_out=min(tile, 64),
        num_warps=4,
        num_stages=1,
    )
