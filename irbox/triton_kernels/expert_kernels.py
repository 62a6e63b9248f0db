"""Routed experts as two Triton kernels: a product with each tile's own expert, and the mixture.

A tile of rows belongs to one expert (`routing_kernels`). Its rows are gathered from the map, or lie
one after the other as the product before left them. The mixture gathers for each pixel what its
experts answered.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import EXPERT_TILE
from irbox.triton_kernels.tiles import gelu, product, products_in, row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def _expert_kernel(  # type: ignore[no-untyped-def]
    rows,
    order,
    experts,
    weight,
    bias,
    out,
    width_given,
    width_in,
    width_out,
    out_width,
    row_stride,
    gathers: tl.constexpr,
    activates: tl.constexpr,
    halves: tl.constexpr,
    precision: tl.constexpr,
    widens: tl.constexpr,
    tile: tl.constexpr,
    tile_in: tl.constexpr,
    tile_out: tl.constexpr,
):
    columns = tl.cdiv(out_width, tile_out)
    group = tl.program_id(0) // columns
    expert = tl.load(experts + group)
    if expert >= 0:
        place = group.to(tl.int64) * tile + tl.arange(0, tile)
        row = place
        pixel = tl.load(order + place)
        is_row = pixel >= 0
        if gathers:
            row = pixel.to(tl.int64)
        n = (tl.program_id(0) % columns) * tile_out + tl.arange(0, tile_out)
        k = tl.arange(0, tile_in)
        computed = tl.bfloat16 if halves else tl.float32
        matrix = weight + expert.to(tl.int64) * width_out * width_in
        total = tl.zeros([tile, tile_out], tl.float32)
        for start in range(0, width_given, tile_in):
            is_given, is_in = start + k < width_given, start + k < width_in
            cell = rows + row[:, None] * row_stride + (start + k)[None, :]
            given = tl.load(cell, mask=is_row[:, None] & is_given[None, :], other=0.0)
            cell = matrix + n[None, :] * width_in + (start + k)[:, None]
            line = tl.load(cell, mask=is_in[:, None] & (n < width_out)[None, :], other=0.0)
            total = product(given.to(computed), line.to(computed), total, precision, widens)
        shift = tl.load(bias + expert * width_out + n, mask=n < width_out, other=0.0)
        total += shift.to(tl.float32)[None, :]
        if activates:
            total = gelu(total)
        cell = out + place[:, None] * out_width + n[None, :]
        tl.store(cell, total, mask=is_row[:, None] & (n < out_width)[None, :])


@triton.jit  # type: ignore[untyped-decorator]
def _mix_kernel(  # type: ignore[no-untyped-def]
    answers,
    places,
    weights,
    order_experts,
    added,
    added_weights,
    base,
    out,
    pixels,
    channels,
    pixel_stride,
    expert_stride,
    image_pixels,
    image_stride,
    added_stride,
    base_stride,
    adds: tl.constexpr,
    has_added: tl.constexpr,
    has_weights: tl.constexpr,
    has_base: tl.constexpr,
    top_k: tl.constexpr,
    tile: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    tiles = tl.cdiv(channels, tile_channels)
    c = (tl.program_id(0) % tiles) * tile_channels + tl.arange(0, tile_channels)
    p = (tl.program_id(0) // tiles) * tile_pixels + tl.arange(0, tile_pixels)
    is_pixel, is_channel = p < pixels, c < channels
    inside, row = is_pixel[:, None] & is_channel[None, :], p.to(tl.int64)
    share_of = weights + (p // image_pixels).to(tl.int64) * image_stride
    share_of += (p % image_pixels) * pixel_stride
    total = tl.zeros([tile_pixels, tile_channels], tl.float32)
    largest = tl.full([tile_pixels, tile_channels], float('-inf'), tl.float32)
    for slot in tl.static_range(top_k):
        at = tl.load(places + row * top_k + slot, mask=is_pixel, other=-1)
        is_asked = at >= 0
        expert = tl.load(order_experts + at // tile, mask=is_asked, other=0)
        share = tl.load(share_of + expert * expert_stride, mask=is_asked, other=0.0)
        cell = answers + at.to(tl.int64)[:, None] * channels + c[None, :]
        answer = tl.load(cell, mask=is_asked[:, None] & is_channel[None, :], other=0.0)
        answer = answer.to(tl.float32)
        if adds:
            total += share[:, None] * answer
        else:
            # The logarithm of a sum of exponentials, by the largest so far.
            level = answer + tl.log(tl.where(is_asked, share, 1.0))[:, None]
            level = tl.where(is_asked[:, None], level, float('-inf'))
            top = tl.maximum(largest, level)
            known = tl.where(largest > float('-inf'), tl.exp(largest - top), 0.0)
            new = tl.where(level > float('-inf'), tl.exp(level - top), 0.0)
            total = total * known + new
            largest = top
    if not adds:
        total = largest + tl.log(total)
    if has_added:
        cell = added + row[:, None] * added_stride + c[None, :]
        more = tl.load(cell, mask=inside, other=0.0).to(tl.float32)
        if has_weights:
            more *= tl.load(added_weights + row, mask=is_pixel, other=0.0)[:, None]
        total += more
    if has_base:
        cell = base + row[:, None] * base_stride + c[None, :]
        total += tl.load(cell, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row[:, None] * channels + c[None, :], total, mask=inside)


def ask_experts(
    rows: Tensor,
    order: Tensor,
    experts: Tensor,
    weight: Tensor,
    bias: Tensor,
    first: bool,
    halves: bool,
    out: Tensor,
) -> None:
    """Run the first kernel, described by `routing_operators.ask_experts`."""
    _, width_out, width_in = weight.shape
    tile_out = tile_of(out.shape[1], 128 if out.shape[1] > 96 else 64)
    grid = (experts.numel() * triton.cdiv(out.shape[1], tile_out),)
    _expert_kernel[grid](
        rows,
        order,
        experts,
        weight,
        bias,
        out,
        rows.shape[1],
        width_in,
        width_out,
        out.shape[1],
        row_stride(rows),
        gathers=first,
        activates=first,
        halves=halves,
        **products_in(torch.bfloat16 if halves else torch.float32),
        tile=EXPERT_TILE,
        tile_in=tile_of(rows.shape[1], 64 if halves else 32),
        tile_out=tile_out,
        num_warps=8 if tile_out > 64 else 4,
        num_stages=1,  # as in `project_kernel`
    )


def mix_experts(
    answers: Tensor,
    places: Tensor,
    experts: Tensor,
    weights: Tensor,
    added: Tensor | None,
    added_weights: Tensor | None,
    base: Tensor | None,
    adds: bool,
    out: Tensor,
) -> None:
    """Run the second kernel, described by `routing_operators.mix_experts`."""
    pixels, channels = out.shape
    flat = weights.flatten(2)
    tile = {'tile_pixels': 32, 'tile_channels': tile_of(channels, 64)}
    grid = (
        triton.cdiv(pixels, tile['tile_pixels']) * triton.cdiv(channels, tile['tile_channels']),
    )
    _mix_kernel[grid](
        answers,
        places,
        flat,
        experts,
        added,
        added_weights,
        base,
        out,
        pixels,
        channels,
        flat.stride(2),
        flat.stride(1),
        flat.shape[2],
        flat.stride(0),
        row_stride(added),
        row_stride(base),
        adds=adds,
        has_added=added is not None,
        has_weights=added_weights is not None,
        has_base=base is not None,
        top_k=places.shape[1],
        tile=EXPERT_TILE,
        **tile,
    )
