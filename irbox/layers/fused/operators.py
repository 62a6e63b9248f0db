"""Layers' steps as operators of torch, each one launch of a Triton kernel on a CUDA device.

Maps are rows here: pixels in the order of memory, (P, C), the channels of one next to each other;
rows may lie further apart than they are long. On a CPU an operator is its twin, written in torch;
on the meta device it describes its answer, so that launches and bytes can be counted without a
device. No operator has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from irbox.layers.fused import torch_twins as twins

_LIBRARY = torch.library.Library('irbox', 'FRAGMENT')
LANES = 16
"""Channels that branches are padded to, so that rows begin at whole vectors."""
ACTIVATIONS = {'none': 0, 'sigmoid': 1, 'gelu': 2}
KERNELS_ON_CPU = False
"""Run the kernels instead of their twins: what tests set in Triton's interpreter."""

Answer = Tensor | tuple[Tensor, ...]


def padded(width: int) -> int:
    """Give a width in whole vectors."""
    return -(-width // LANES) * LANES


@cache
def _kernel(file: str, name: str) -> Callable[..., None]:
    """Find a kernel. Triton is imported by the first one that is run."""
    found: Callable[..., None] = getattr(import_module(f'irbox.layers.fused.{file}'), name)
    return found


def _define(
    schema: str, file: str, twin: Callable[..., Answer], allocate: Callable[..., Answer]
) -> Callable[..., Any]:
    """Make an operator: what it computes, the memory of its answer, and its kernel's file."""
    name = schema.partition('(')[0]

    def launch(*args: Any) -> Answer:
        answer = allocate(*args)
        outs = answer if isinstance(answer, tuple) else (answer,)
        _kernel(file, name)(*args, *outs)
        return answer

    def on_device(*args: Any) -> Answer:
        with torch.cuda.device(args[0].get_device()):
            return launch(*args)

    def on_cpu(*args: Any) -> Answer:
        return launch(*args) if KERNELS_ON_CPU else twin(*args)

    # Not torch.library.custom_op: a call of it takes three times as long, 17 us, and a network is
    # hundreds of calls.
    _LIBRARY.define(schema)
    _LIBRARY.impl(name, on_cpu, 'CPU')
    _LIBRARY.impl(name, on_device, 'CUDA')
    _LIBRARY.impl(name, allocate, 'Meta')
    found: Callable[..., Any] = getattr(torch.ops.irbox, name).default
    return found


def _project_out(
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
) -> Tensor:
    columns = weight.shape[-2] if second is None else 2 * padded(weight.shape[-2])
    dtype = torch.bfloat16 if halves else torch.float32
    return rows.new_empty(len(rows), columns, dtype=dtype if base is None else base.dtype)


project = _define(
    'project(Tensor rows, Tensor weight, Tensor? bias, Tensor? norm_weight, Tensor? norm_bias, '
    'Tensor? kernel, Tensor? kernel_bias, Tensor? second, Tensor? second_bias, Tensor? factor, '
    'Tensor? base, Tensor? base_factor, int height, int width, int activation, float eps, '
    'bool halves) -> Tensor',
    'project_kernel',
    twins.project,
    _project_out,
)
"""``activation(norm(rows) W^T + b) * factor + base * base_factor``, of each pixel.

Args:
    rows: (P, C_in). Beyond what the weights take they may hold zeros.
    weight: (C_out, C_in), or one for each image, (B, C_out, C_in).
    bias: (C_out,), or one for each image, (B, C_out), or None.
    norm_weight: (C_in,) of a ``LayerNorm2d``, or None: no norm.
    norm_bias: (C_in,), or None: the mean is not subtracted.
    kernel: (C_in, 9), or None. The rows, which are maps, are convolved by it as by ``depthwise``.
    kernel_bias: (C_in,), or None.
    second: (C_out, C_in), or None. Its answer lies beside the first's, each padded with zeros to
        whole vectors; the activation is the second's alone.
    second_bias: As the bias.
    factor: (P, C_out), or None.
    base: (P, C_out), or None.
    base_factor: (C_out,), or None.
    height: Of the maps, where there is a kernel.
    width: Of the maps, where there is a kernel.
    activation: One of ``ACTIVATIONS``.
    eps: Of the norm.
    halves: Multiply in bfloat16, instead of float32; sums are float32 in any case.

Returns:
    (P, C_out), or (P, 2 C_out) with C_out in whole vectors; in the dtype of the base, or of the
    products.
"""


def _depthwise_out(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    height: int,
    width: int,
    gates: bool,
    activation: int,
) -> Tensor:
    channels = padded(len(weight) // 2) if gates else len(weight)
    return rows.new_empty(len(rows), channels)


depthwise = _define(
    'depthwise(Tensor rows, Tensor weight, Tensor? bias, int height, int width, bool gates, '
    'int activation) -> Tensor',
    'depthwise_kernel',
    twins.depthwise,
    _depthwise_out,
)
"""Convolve maps channel by channel, 3x3 with zeros around them.

Args:
    rows: (P, C); with ``gates`` two branches side by side, each padded to whole vectors.
    weight: (C, 9), without what is padding.
    bias: (C,), or None.
    height: Of the maps.
    width: Of the maps.
    gates: Multiply the first half's answer, after the activation, with the second half's.
    activation: One of ``ACTIVATIONS``.

Returns:
    (P, C), or (P, C / 2) in whole vectors.
"""


def _gram_out(
    query: Tensor,
    key: Tensor,
    query_kernel: Tensor,
    query_bias: Tensor | None,
    key_kernel: Tensor,
    key_bias: Tensor | None,
    height: int,
    width: int,
    heads: int,
) -> tuple[Tensor, Tensor]:
    images, parts = len(query) // (height * width), parts_of(height * width)
    size = query.shape[1] // heads
    sums = query.new_empty(images, parts, heads, size, size, dtype=torch.float32)
    return sums, sums.new_empty(images, parts, heads, 2, size)


MOST_PARTS = 64
"""Programs that share an image's pixels: enough for a device, few enough to be added up."""
PIXELS_PER_PART = 256
"""At least."""


def parts_of(pixels: int) -> int:
    """Say into how many parts the pixels of an image are cut."""
    return max(1, min(MOST_PARTS, -(-pixels // PIXELS_PER_PART)))


gram = _define(
    'gram(Tensor query, Tensor key, Tensor query_kernel, Tensor? query_bias, Tensor key_kernel, '
    'Tensor? key_bias, int height, int width, int heads) -> (Tensor, Tensor)',
    'attention_kernels',
    twins.gram,
    _gram_out,
)
"""Convolve maps as ``depthwise`` does, and sum products and squares over parts of their pixels.

Args:
    query: (P, C).
    key: (P, C).
    query_kernel: (C, 9).
    query_bias: (C,), or None.
    key_kernel: As the query's.
    key_bias: As the query's, None if that is.
    height: Of the maps.
    width: Of the maps.
    heads: That the channels are shared by.

Returns:
    (B, parts, heads, c, c) and, of the query and of the key, (B, parts, heads, 2, c), float32.
"""


def _matrix_out(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    query_by_head: bool,
    halves: bool,
) -> Tensor:
    images, _, heads, width, _ = sums.shape
    rows = heads * width if projection is None else len(projection)
    dtype = torch.bfloat16 if halves else torch.float32
    return sums.new_empty(images, rows, heads * width, dtype=dtype)


attention_matrix = _define(
    'attention_matrix(Tensor sums, Tensor squares, Tensor temperature, Tensor? projection, '
    'bool query_by_head, bool halves) -> Tensor',
    'attention_kernels',
    twins.attention_matrix,
    _matrix_out,
)
"""Make of ``gram``'s sums the matrix that attention and its projection multiply values by.

Args:
    sums: (B, parts, heads, c, c).
    squares: (B, parts, heads, 2, c).
    temperature: (heads,).
    projection: (C_out, C), or None.
    query_by_head: See ``TransposedCrossAttention``, ``query_norm``.
    halves: Give it in bfloat16.

Returns:
    (B, C_out, C), for ``project``.
"""


ROUTED_PIXELS = 128
"""Whose best experts a program chooses."""
EXPERT_BLOCK = 1024
"""Pixels that are put in order together."""
EXPERT_TILE = 64
"""Rows that are multiplied by one expert's weights at once."""
ROUTES = {'selected': 0, 'single': 1, 'with_shared': 2, 'without_shared': 3}
"""How weights are made of scores, see ``route``."""


def _route_out(
    logits: Tensor, image_bias: Tensor | None, images: int, top_k: int, mode: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pixels, experts = logits.shape
    exact = {'dtype': torch.float32}
    return (
        logits.new_empty(pixels, experts, **exact),
        logits.new_empty(pixels if mode == ROUTES['with_shared'] else 0, 1, **exact),
        logits.new_empty(pixels if mode else 0, experts, **exact),
        logits.new_empty(-(-pixels // ROUTED_PIXELS), experts, **exact),
    )


route = _define(
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


expert_order = _define(
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
    return rows.new_empty(
        order.numel(), width, dtype=torch.bfloat16 if halves else torch.float32
    )


ask_experts = _define(
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
    dtype = torch.float32 if base is None else base.dtype
    return answers.new_empty(len(places), answers.shape[1], dtype=dtype)


mix_experts = _define(
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
    (P, C), in the dtype of the base, or float32.
"""


def _causal_out(rows: Tensor, weight: Tensor, bias: Tensor | None, length: int) -> Tensor:
    return rows.new_empty(len(rows), len(weight))


causal = _define(
    'causal(Tensor rows, Tensor weight, Tensor? bias, int length) -> Tensor',
    'sequence_kernels',
    twins.causal,
    _causal_out,
)
"""Convolve sequences channel by channel, each step with those before it, and apply SiLU.

Args:
    rows: (B L, C).
    weight: (C, taps), the step's own last.
    bias: (C,), or None.
    length: L.

Returns:
    (B L, C).
"""


def _scan_out(
    u: Tensor,
    delta: Tensor,
    log_rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    gate: Tensor,
    length: int,
) -> Tensor:
    return u.new_empty(len(u), len(log_rates))


scan_rows = _define(
    'scan_rows(Tensor u, Tensor delta, Tensor log_rates, Tensor b, Tensor c, Tensor skip, '
    'Tensor gate, int length) -> Tensor',
    'sequence_kernels',
    twins.scan_rows,
    _scan_out,
)
"""Run `selective_scan` on rows, with time steps ``softplus(delta)`` and rates ``-exp(log_rates)``.

Args:
    u: (B L, C).
    delta: (B L, C).
    log_rates: (C, N).
    b: (B L, N).
    c: (B L, N).
    skip: (C,).
    gate: (B L, C).
    length: L.

Returns:
    (B L, C).
"""


def _blend_out(
    local: Tensor,
    distant: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    gate: Tensor | None,
    base: Tensor,
    weighs_local: bool,
    eps: float,
) -> Tensor:
    return base.new_empty(base.shape)


blend = _define(
    'blend(Tensor local, Tensor distant, Tensor norm_weight, Tensor norm_bias, Tensor? gate, '
    'Tensor base, bool weighs_local, float eps) -> Tensor',
    'blend_kernel',
    twins.blend,
    _blend_out,
)
"""Add what a gate makes of two branches: ``base + gate * one + (1 - gate) * other``.

Args:
    local: (P, C).
    distant: (P, C), normalised first, as by ``LayerNorm2d``.
    norm_weight: (C,).
    norm_bias: (C,).
    gate: (P, C), or (P, 1), or None: the mean of both.
    base: (P, C).
    weighs_local: Whether ``local`` is what the gate weighs, or ``distant``.
    eps: Of the norm.

Returns:
    (P, C), in the dtype of the base.
"""
