"""The steps of backward passes, as operators. Maps are rows, as in `operators`."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.fused import gradient_twins as twins
from irbox.layers.fused.define import define
from irbox.triton_kernels.sizes import convolved_parts, norm_parts, padded, rows_each


def _gate_out(
    wide: Tensor, weight: Tensor, bias: Tensor | None, of_gated: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    return wide.new_empty(len(wide), padded(len(weight) // 2)), wide.new_empty(wide.shape)


gate_gradient = define(
    'gate_gradient(Tensor wide, Tensor weight, Tensor? bias, Tensor of_gated, int height, '
    'int width) -> (Tensor, Tensor)',
    'depthwise_kernel',
    twins.gate_gradient,
    _gate_out,
)
"""Convolve two branches, 3x3, let GELU of the first gate the second, and differentiate that.

Args:
    wide: (P, 2 C) in whole vectors, see ``operators.depthwise`` with ``gates``.
    weight: (2 C, 9), without what is padding.
    bias: (2 C,), or None.
    of_gated: (P, C), the answer's gradient, without padding or with it.
    height: Of the maps.
    width: Of the maps.

Returns:
    The answer (P, C), and the gradient of both convolved branches, (P, 2 C): in whole vectors,
    whose padding is zero.
"""


def _depthwise_out(
    wide: Tensor,
    of_convolved: Tensor,
    weight: Tensor,
    has_bias: bool,
    branches: int,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor, Tensor]:
    (pixels, columns), channels = wide.shape, len(weight)
    images = pixels // (height * width)
    rows = rows_each(height, width, images, columns)
    sums = wide.new_empty(
        convolved_parts(height, width, images, rows), channels, 9, dtype=torch.float32
    )
    of_bias = sums.new_empty(len(sums), channels if has_bias else 0)
    return wide.new_empty(pixels, columns), sums, of_bias


depthwise_gradient = define(
    'depthwise_gradient(Tensor wide, Tensor of_convolved, Tensor weight, bool has_bias, '
    'int branches, int height, int width) -> (Tensor, Tensor, Tensor)',
    'depthwise_gradient_kernel',
    twins.depthwise_gradient,
    _depthwise_out,
)
"""Differentiate a 3x3 depthwise convolution with zeros around the map.

Args:
    wide: (P, C), branches side by side, each perhaps padded.
    of_convolved: (P, C), the answer's gradient; its padding is zero.
    weight: (C, 9), without what is padding.
    has_bias: Sum the gradient of a bias.
    branches: How many there are.
    height: Of the maps.
    width: Of the maps.

Returns:
    The map's gradient, (P, C), whose padding is zero; sums over parts of the pixels, float32: of
    the weights (parts, C, 9), and of the bias (parts, C), or (parts, 0).
"""


def _norm_out(
    rows: Tensor,
    of_normed: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Tensor,
    eps: float,
    halves: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    pixels, channels = rows.shape
    normed = rows.new_empty(rows.shape, dtype=torch.bfloat16 if halves else torch.float32)
    size = norm_parts(pixels, channels), 1 if bias is None else 2, channels
    return rows.new_empty(rows.shape), normed, rows.new_empty(size, dtype=torch.float32)


norm_gradient = define(
    'norm_gradient(Tensor rows, Tensor of_normed, Tensor weight, Tensor? bias, Tensor added, '
    'float eps, bool halves) -> (Tensor, Tensor, Tensor)',
    'norm_gradient_kernel',
    twins.norm_gradient,
    _norm_out,
)
"""Normalise pixels as ``LayerNorm2d``, and differentiate that.

Args:
    rows: (P, C).
    of_normed: (P, C), the answer's gradient.
    weight: (C,).
    bias: (C,), or None: the mean is not subtracted.
    added: (P, C), what comes to the rows' gradient past the norm.
    eps: Added to the variance.
    halves: Give the answer in bfloat16, instead of float32.

Returns:
    The rows' gradient (P, C), in their dtype; the answer (P, C); sums over parts of the pixels of
    the gradients of weight and bias, (parts, 2, C), or of the weight, (parts, 1, C), float32.
"""


def _matrix_out(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    of_matrix: Tensor,
    halves: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images, _, heads, width, _ = sums.shape
    rows = 0 if projection is None else len(projection)
    return (
        sums.new_empty(
            images, heads, width, width, dtype=torch.bfloat16 if halves else torch.float32
        ),
        sums.new_empty(images, heads, 2, width),
        sums.new_empty(images, heads),
        sums.new_empty(images, rows, heads * width),
    )


attention_matrix_gradient = define(
    'attention_matrix_gradient(Tensor sums, Tensor squares, Tensor temperature, '
    'Tensor? projection, Tensor of_matrix, bool halves) -> (Tensor, Tensor, Tensor, Tensor)',
    'attention_gradient_kernels',
    twins.attention_matrix_gradient,
    _matrix_out,
)
"""Differentiate ``operators.attention_matrix``, with norms of each channel.

Args:
    sums: (B, parts, heads, c, c).
    squares: (B, parts, heads, 2, c).
    temperature: (heads,).
    projection: (C_out, C), or None.
    of_matrix: (B, C_out, C), the answer's gradient, float32.
    halves: Give the first answer in bfloat16.

Returns:
    The gradients of the summed products, (B, heads, c, c), and of the squares, doubled, as a map's
    gradient by its square is, (B, heads, 2, c); those of the temperature, (B, heads), and of the
    projection, (B, C_out, C), or (B, 0, C), for each image.
"""


def _query_key_out(
    query: Tensor, key: Tensor, of_product: Tensor, twice: Tensor, joint: bool
) -> tuple[Tensor, Tensor]:
    pixels, dim = query.shape
    if joint:
        return query.new_empty(pixels, 3 * dim), query.new_empty(0, dim)
    return query.new_empty(pixels, dim), query.new_empty(pixels, 2 * dim)


query_key_gradient = define(
    'query_key_gradient(Tensor query, Tensor key, Tensor of_product, Tensor twice, bool joint) '
    '-> (Tensor, Tensor)',
    'attention_gradient_kernels',
    twins.query_key_gradient,
    _query_key_out,
)
"""Differentiate ``operators.gram`` by queries and keys.

Args:
    query: (P, C).
    key: (P, C).
    of_product: (B, heads, c, c), the gradient of the products.
    twice: (B, heads, 2, c), that of the squares of queries and keys, doubled.
    joint: Give them side by side.

Returns:
    The gradients of the queries, (P, C), and of the keys with memory for that of the values beside
    it, (P, 2 C); jointly all three, (P, 3 C), and nothing.
"""


def _column_sums_out(rows: Tensor) -> Tensor:
    size = norm_parts(*rows.shape), rows.shape[1]
    return rows.new_empty(size, dtype=torch.float32)


column_sums = define(
    'column_sums(Tensor rows) -> Tensor',
    'column_sums_kernel',
    twins.column_sums,
    _column_sums_out,
)
"""Sum rows (P, C) over parts of the pixels: (parts, C), float32."""


def _gating_out(of_gated: Tensor, gated: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    return gated.new_empty(gated.shape), gated.new_empty(gated.shape)


gating_gradient = define(
    'gating_gradient(Tensor of_gated, Tensor gated, Tensor gate) -> (Tensor, Tensor)',
    'gating_gradient_kernel',
    twins.gating_gradient,
    _gating_out,
)
"""Differentiate a map times a sigmoid.

Args:
    of_gated: (P, C), the answer's gradient.
    gated: (P, C), the answer.
    gate: (P, C), the sigmoid.

Returns:
    The gradients of the map and of what the sigmoid is of, (P, C) each.
"""
