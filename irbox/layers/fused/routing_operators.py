"""The steps of routers and of routed experts, as operators.

Maps are rows here: pixels in the order of memory, (P, C), the channels of one next to each other;
rows may lie further apart than they are long. See `define`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.fused import torch_twins as twins
from irbox.layers.fused.define import define
from irbox.triton_kernels.sizes import (
    EXPERT_BLOCK,
    EXPERT_TILE,
    ROUTED_PIXELS,
    ROUTES,
    padded,
)


def _route_out(
    logits: Tensor, image_bias: Tensor | None, images: int, top_k: int, mode: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pixels, experts = logits.shape
    weights = logits.new_empty(pixels, experts, dtype=torch.float32)
    return (
        weights,
        weights.new_empty(pixels if mode == ROUTES['with_shared'] else 0, 1),
        weights.new_empty(pixels if mode else 0, experts),
        weights.new_empty(-(-pixels // ROUTED_PIXELS), experts),
    )


route = define(
    'route(Tensor logits, Tensor? image_bias, int images, int top_k, int mode) '
    '-> (Tensor, Tensor, Tensor, Tensor)',
    'routing_kernels',
    twins.route,
    _route_out,
)
"""Make weights of the best scores of each pixel.

Args:
    logits: (P, N).
    image_bias: (B, N), added to an image's, or None.
    images: B.
    top_k: K.
    mode: One of ``ROUTES``: softmax over the kept; softmax over all, the kept divided by their sum;
        a second softmax over the first's answers and a 1 for a shared expert; or over the first's
        answers alone. The last three give the first softmax as well.

Returns:
    Weights, (P, N), zero where not kept; the shared expert's, (P, 1), or nothing; the first
    softmax, (P, N), or nothing; how often each expert is kept by parts of the pixels, (parts, N).
"""


def _order_out(weights: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    images, experts, height, width = weights.shape
    pixels = images * height * width
    blocks, tiles = -(-pixels // EXPERT_BLOCK), -(-EXPERT_BLOCK * top_k // EXPERT_TILE) + experts
    return (
        weights.new_empty(blocks, tiles * EXPERT_TILE, dtype=torch.int32),
        weights.new_empty(pixels, top_k, dtype=torch.int32),
        weights.new_empty(blocks, tiles, dtype=torch.int32),
    )


expert_order = define(
    'expert_order(Tensor weights, int top_k) -> (Tensor, Tensor, Tensor)',
    'routing_kernels',
    twins.expert_order,
    _order_out,
)
"""Put pixels in the order of their experts, block by block, each expert's in whole tiles.

Args:
    weights: (B, N, H, W), zero where an expert is not asked.
    top_k: How many a pixel asks at most.

Returns:
    Pixels, (blocks, rows), -1 where there is none in a tile that is used; where each pixel's are,
    (P, K), -1 where it asks fewer; each tile's expert, (blocks, tiles), -1 where it is not used.
    All int32.
"""


def _ask_out(
    rows: Tensor,
    order: Tensor,
    experts: Tensor,
    weight: Tensor,
    bias: Tensor,
    first: bool,
    halves: bool,
) -> Tensor:
    width = padded(weight.shape[1]) if first else weight.shape[1]
    return rows.new_empty(order.numel(), width, dtype=torch.bfloat16 if halves else torch.float32)


ask_experts = define(
    'ask_experts(Tensor rows, Tensor order, Tensor experts, Tensor weight, Tensor bias, '
    'bool first, bool halves) -> Tensor',
    'expert_kernels',
    twins.ask_experts,
    _ask_out,
)
"""One layer of all experts' perceptrons.

Args:
    rows: (P, C) to be gathered for the first layer, or the first layer's answer.
    order: From ``expert_order``.
    experts: From ``expert_order``.
    weight: (N, C_out, C_in).
    bias: (N, C_out).
    first: The first layer, which GELU follows, and which is padded to whole vectors.
    halves: Multiply in bfloat16.

Returns:
    (rows of the order, C_out), of which only those with a pixel are written.
"""


def _mix_out(
    answers: Tensor,
    places: Tensor,
    experts: Tensor,
    weights: Tensor,
    added: Tensor | None,
    added_weights: Tensor | None,
    base: Tensor | None,
    adds: bool,
) -> Tensor:
    dtype = answers.dtype if base is None else base.dtype
    return answers.new_empty(len(places), answers.shape[1], dtype=dtype)


mix_experts = define(
    'mix_experts(Tensor answers, Tensor places, Tensor experts, Tensor weights, Tensor? added, '
    'Tensor? added_weights, Tensor? base, bool adds) -> Tensor',
    'expert_kernels',
    twins.mix_experts,
    _mix_out,
)
"""Combine what each pixel's experts answered.

Args:
    answers: From ``ask_experts``.
    places: From ``expert_order``.
    experts: From ``expert_order``.
    weights: (B, N, H, W).
    added: (P, C), a shared expert's answer, or None.
    added_weights: (P, 1), its weights, or None.
    base: (P, C), added to all, or None.
    adds: ``sum_n w_n E_n``, otherwise ``log sum_n w_n exp(E_n)``.

Returns:
    (P, C), in the dtype of the base, or of the answers.
"""
