"""The steps of Restormer-like layers, as operators.

Maps are rows here: pixels in the order of memory, (P, C), the channels of one next to each other;
rows may lie further apart than they are long. See `define`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.fused import torch_twins as twins
from irbox.layers.fused.define import define
from irbox.triton_kernels.sizes import padded, parts_of


def _project_out(
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
) -> Tensor:
    columns = weight.shape[-2] if second is None else 2 * padded(weight.shape[-2])
    dtype = torch.bfloat16 if halves else torch.float32
    return rows.new_empty(len(rows), columns, dtype=dtype if base is None else base.dtype)


project = define(
    'project(Tensor rows, Tensor weight, Tensor? bias, Tensor? norm_weight, Tensor? norm_bias, '
    'Tensor? second, Tensor? second_bias, Tensor? factor, Tensor? base, Tensor? base_factor, '
    'int activation, float eps, bool halves, bool allow_tf32) -> Tensor',
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
    second: (C_out, C_in), or None. Its answer lies beside the first's, each padded with zeros to
        whole vectors; the activation is the second's alone.
    second_bias: As the bias.
    factor: (P, C_out), or None.
    base: (P, C_out), or None.
    base_factor: (C_out,), or None.
    activation: One of ``ACTIVATIONS``.
    eps: Of the norm.
    halves: Multiply in bfloat16, instead of float32; sums are float32 in any case.
    allow_tf32: Multiply float32 by one TF32 product, whatever torch was told.

Returns:
    (P, C_out), or (P, 2 C_out) with C_out in whole vectors; in the dtype of the base, or of the
    products.
"""


def _halve_out(weight: Tensor) -> Tensor:
    size = len(weight), padded(weight.shape[1])
    return weight.new_empty(size, dtype=torch.bfloat16)


halve = define('halve(Tensor weight) -> Tensor', 'halve_kernel', twins.halve, _halve_out)
"""Give weights (C_out, C_in) in bfloat16, their rows in whole vectors that end with zeros."""


def _gated_out(
    values: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    gate: Tensor,
    weight: Tensor,
    weight_bias: Tensor | None,
    base: Tensor,
) -> Tensor:
    return base.new_empty(base.shape)


gated_product = define(
    'gated_product(Tensor values, Tensor matrix, Tensor? bias, Tensor gate, Tensor weight, '
    'Tensor? weight_bias, Tensor base) -> Tensor',
    'gated_product_kernel',
    twins.gated_product,
    _gated_out,
)
"""``((values M^T + bias) * gate) W^T + weight_bias + base``, of each pixel, in bfloat16.

Args:
    values: (P, C), C at most ``WIDEST_GATED``.
    matrix: Each image's M, (B, C, C).
    bias: (C,), or None.
    gate: (P, C).
    weight: W, (C, C).
    weight_bias: (C,), or None.
    base: (P, C).

Returns:
    (P, C), in the dtype of the base. Sums are float32; what is gated is rounded to bfloat16.
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


depthwise = define(
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


def _gram_out(query: Tensor, key: Tensor, images: int, heads: int) -> tuple[Tensor, Tensor]:
    size = query.shape[1] // heads
    parts = parts_of(len(query) // images, heads, size, images)
    sums = query.new_empty(images, parts, heads, size, size, dtype=torch.float32)
    return sums, sums.new_empty(images, parts, heads, 2, size)


gram = define(
    'gram(Tensor query, Tensor key, int images, int heads) -> (Tensor, Tensor)',
    'attention_kernels',
    twins.gram,
    _gram_out,
)
"""Sum products and squares of maps over parts of their pixels.

Args:
    query: (P, C).
    key: (P, C).
    images: B, whose pixels they are.
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


attention_matrix = define(
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
