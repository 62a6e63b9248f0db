"""From scores to experts as two Triton kernels: the weights of each pixel, and who is asked what.

The first keeps the best scores of each pixel and makes weights of them. The second puts the pixels
of a block in the order of their experts, each expert's in whole tiles, so that a tile is multiplied
by one expert's weights (`expert_kernels`). No host waits for how many there are: memory is given
for as many as there may be, and what is not used is passed over.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import EXPERT_BLOCK, EXPERT_TILE, ROUTED_PIXELS
from irbox.triton_kernels.tiles import row_stride


@triton.jit  # type: ignore[untyped-decorator]
def _route_kernel(  # type: ignore[no-untyped-def]
    logits,
    image_bias,
    weights,
    shared,
    scores,
    counts,
    pixels,
    image_pixels,
    num_experts,
    logits_stride,
    has_bias: tl.constexpr,
    top_k: tl.constexpr,
    mode: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_experts: tl.constexpr,
):
    p = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    n = tl.arange(0, tile_experts)
    is_pixel, is_expert = p < pixels, n < num_experts
    inside = is_pixel[:, None] & is_expert[None, :]
    row = p.to(tl.int64)
    score = tl.load(logits + row[:, None] * logits_stride + n[None, :], mask=inside, other=0.0)
    score = score.to(tl.float32)
    if has_bias:
        place = image_bias + (p // image_pixels)[:, None] * num_experts + n[None, :]
        score += tl.load(place, mask=inside, other=0.0).to(tl.float32)
    score = tl.where(is_expert[None, :], score, float('-inf'))
    # Among equal scores the first expert is better.
    left = score
    chosen = tl.zeros([tile_pixels, tile_experts], tl.int32)
    for _ in tl.static_range(top_k):
        best = tl.argmax(left, axis=1)
        is_best = n[None, :] == best[:, None]
        chosen = tl.where(is_best, 1, chosen)
        left = tl.where(is_best, float('-inf'), left)
    share = tl.exp(score - tl.max(score, axis=1)[:, None])
    cell = row[:, None] * num_experts + n[None, :]
    if mode == 0:
        weight = tl.where(chosen == 1, share, 0.0)
        weight = weight / tl.sum(weight, axis=1)[:, None]
    else:
        share = share / tl.sum(share, axis=1)[:, None]
        tl.store(scores + cell, share, mask=inside)
        if mode == 1:
            weight = tl.where(chosen == 1, share, 0.0)
            weight = weight / tl.sum(weight, axis=1)[:, None]
        else:
            # The shared expert's score, 1, is the largest there can be.
            again = tl.where(is_expert[None, :], tl.exp(share - 1.0), 0.0)
            total = tl.sum(again, axis=1)
            if mode == 2:
                total += 1.0
                tl.store(shared + row, 1.0 / total, mask=is_pixel)
            weight = tl.where(chosen == 1, again / total[:, None], 0.0)
    tl.store(weights + cell, weight, mask=inside)
    count = tl.sum(tl.where(inside, chosen, 0), axis=0)
    tl.store(counts + tl.program_id(0) * num_experts + n, count.to(tl.float32), mask=is_expert)


@triton.jit  # type: ignore[untyped-decorator]
def _order_kernel(  # type: ignore[no-untyped-def]
    weights,
    order,
    places,
    tile_experts,
    pixels,
    num_experts,
    top_k,
    pixel_stride,
    expert_stride,
    image_pixels,
    image_stride,
    capacity,
    num_tiles,
    block: tl.constexpr,
    tile: tl.constexpr,
    most_tiles: tl.constexpr,
):
    program = tl.program_id(0)
    p = program * block + tl.arange(0, block)
    is_pixel = p < pixels
    t = tl.arange(0, most_tiles)
    tile_expert = tl.full([most_tiles], -1, tl.int32)
    slot = tl.zeros([block], tl.int32)
    begin = 0
    for n in range(num_experts):
        image = (p // image_pixels).to(tl.int64) * image_stride
        place = weights + image + (p % image_pixels) * pixel_stride + n * expert_stride
        used = (tl.load(place, mask=is_pixel, other=0.0) != 0.0).to(tl.int32)
        rank = tl.cumsum(used, axis=0) - used
        count = tl.sum(used, axis=0)
        at = program * capacity + begin + rank
        tl.store(order + at, p, mask=used == 1)
        tl.store(places + p * top_k + slot, at, mask=(used == 1) & (slot < top_k))
        slot += used
        end = begin + (count + tile - 1) // tile * tile
        # The tail of an expert's last tile asks nothing.
        tail = begin + count + tl.arange(0, tile)
        tl.store(order + program * capacity + tail, -1, mask=tail < end)
        tile_expert = tl.where((t * tile >= begin) & (t * tile < end), n, tile_expert)
        begin = end
    for missing in range(top_k):
        tl.store(places + p * top_k + missing, -1, mask=is_pixel & (missing >= slot))
    tl.store(tile_experts + program * num_tiles + t, tile_expert, mask=t < num_tiles)


def route(
    logits: Tensor,
    image_bias: Tensor | None,
    images: int,
    top_k: int,
    mode: int,
    weights: Tensor,
    shared: Tensor,
    scores: Tensor,
    counts: Tensor,
) -> None:
    """Run the first kernel, described by `routing_operators.route`."""
    pixels, num_experts = weights.shape
    _route_kernel[(len(counts),)](
        logits,
        image_bias,
        weights,
        shared,
        scores,
        counts,
        pixels,
        pixels // images,
        num_experts,
        row_stride(logits),
        has_bias=image_bias is not None,
        top_k=top_k,
        mode=mode,
        tile_pixels=ROUTED_PIXELS,
        tile_experts=triton.next_power_of_2(max(2, num_experts)),
    )


def expert_order(
    weights: Tensor,
    top_k: int,
    order: Tensor,
    places: Tensor,
    tile_experts: Tensor,
) -> None:
    """Run the second kernel, described by `routing_operators.expert_order`."""
    images, num_experts, height, width = weights.shape
    blocks, num_tiles = tile_experts.shape
    capacity = order.shape[1]
    flat = weights.flatten(2)
    _order_kernel[(blocks,)](
        flat,
        order,
        places,
        tile_experts,
        len(places),
        num_experts,
        top_k,
        flat.stride(2),
        flat.stride(1),
        height * width,
        flat.stride(0),
        capacity,
        num_tiles,
        block=EXPERT_BLOCK,
        tile=EXPERT_TILE,
        most_tiles=triton.next_power_of_2(num_tiles),
    )
