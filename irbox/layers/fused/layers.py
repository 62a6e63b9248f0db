"""Layers of Restormer-like blocks as calls of a few operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from irbox.layers.fused import operators
from irbox.layers.norm import LayerNorm2d
from irbox.layers.strips import computing_dtype
from irbox.triton_kernels.sizes import ACTIVATIONS, HALVED_FROM, WIDEST_GATED, padded

if TYPE_CHECKING:
    from irbox.layers.attention import TransposedAttention
    from irbox.layers.cross_attention import TransposedCrossAttention
    from irbox.layers.feed_forward import GatedFeedForward
    from irbox.layers.mamba_style_attention import MambaStyleAttention


def rows_of(x: Tensor) -> Tensor:
    """View a map (B, C, H, W) as rows (B H W, C); copy what is not in channels-last memory."""
    return x.permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1])


def map_of(rows: Tensor, like: Tensor) -> Tensor:
    """View rows (B H W, C) as a map (B, C, H, W) of the size of another."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def project(
    rows: Tensor,
    layer: nn.Conv2d | nn.Linear,
    halves: bool,
    norm: LayerNorm2d | None = None,
    base: Tensor | None = None,
    activation: str = 'none',
    allow_tf32: bool = False,
) -> Tensor:
    """Multiply rows by a 1x1 convolution's or a linear layer's weights, see ``operators``."""
    weight = prepared(layer.weight.flatten(1), rows, halves)
    return multiply(
        rows,
        weight,
        layer.bias,
        halves,
        norm,
        base=base,
        activation=activation,
        allow_tf32=allow_tf32,
    )


def prepared(weight: Tensor, rows: Tensor, halves: bool) -> Tensor:
    """Give the weights that rows are multiplied by as they are, or by ``operators.halve``.

    Where the product is so large that a launch more is worth it, and the rows are as long as that
    makes the weights'. (A norm is never given rows that are longer than its own weights.)
    """
    large, width = len(rows) * weight.numel() >= HALVED_FROM, weight.shape[1]
    if not (large and halves) or rows.shape[1] != padded(width):
        return weight
    if weight.dtype == torch.bfloat16 and width == padded(width):
        return weight
    halved: Tensor = operators.halve(weight)
    return halved


def multiply(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    halves: bool,
    norm: LayerNorm2d | None = None,
    *,
    second: tuple[Tensor | None, Tensor | None] = (None, None),
    factor: Tensor | None = None,
    base: Tensor | None = None,
    base_factor: Tensor | None = None,
    activation: str = 'none',
    allow_tf32: bool = False,
) -> Tensor:
    """Call ``operators.project``, whose arguments these are."""
    norm_weight, norm_bias, eps = (None, None, 0.0)
    if norm is not None:
        norm_weight, norm_bias, eps = norm.weight, norm.bias, norm.eps
    answer: Tensor = operators.project(
        rows, weight, bias, norm_weight, norm_bias, *second, factor, base, base_factor,
        ACTIVATIONS[activation], eps, halves, allow_tf32,
    )  # fmt: skip
    return answer


def depthwise(
    rows: Tensor, conv: nn.Conv2d, like: Tensor, activation: str = 'none', gates: bool = False
) -> Tensor:
    """Convolve rows, which are a map of the size of another, by a 3x3 depthwise convolution."""
    answer: Tensor = operators.depthwise(
        rows, conv.weight.flatten(1), conv.bias, *like.shape[-2:], gates, ACTIVATIONS[activation]
    )
    return answer


def depthwise_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute ``conv(x)`` of a 3x3 depthwise convolution of a map: one launch."""
    return map_of(depthwise(rows_of(x).to(computing_dtype(x)), conv, x), x)


def feed_forward(layer: GatedFeedForward, x: Tensor, norm: LayerNorm2d | None = None) -> Tensor:
    """Compute ``layer(x)``, with a norm ``x + layer(norm(x))``: three launches."""
    return feed_forward_and_wide(layer, x, norm)[0]


def feed_forward_and_wide(
    layer: GatedFeedForward, x: Tensor, norm: LayerNorm2d | None
) -> tuple[Tensor, Tensor]:
    """Do the same, and give the rows that are convolved as well."""
    rows, halves = rows_of(x), computing_dtype(x) == torch.bfloat16
    hidden = layer.project_out.in_channels
    weight = prepared(layer.project_in.weight.flatten(1), rows, halves)
    bias = layer.project_in.bias
    first, second = (None, None) if bias is None else (bias[:hidden], bias[hidden:])
    wide = multiply(rows, weight[:hidden], first, halves, norm, second=(weight[hidden:], second))
    gated = depthwise(wide, layer.dwconv, x, 'gelu', gates=True)
    base = None if norm is None else rows
    return map_of(project(gated, layer.project_out, halves, base=base), x), wide


def transposed_attention(
    layer: TransposedAttention, x: Tensor, norm: LayerNorm2d | None = None
) -> Tensor:
    """Compute ``layer(x)``, with a norm ``x + layer(norm(x))``: five launches."""
    rows = rows_of(x)
    return map_of(_attend_to_itself(layer, rows, x, norm, None, None if norm is None else rows), x)


def cross_attention(
    layer: TransposedCrossAttention,
    query: Tensor,
    source: Tensor,
    base: Tensor | None = None,
    scales: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Tensor:
    """Compute ``layer(query, source)``: seven launches.

    With a base ``scales[0] * layer(query, source) + scales[1] * base``, the scales (C, 1, 1).
    """
    asking, rows = rows_of(query), rows_of(source)
    halves, dim = computing_dtype(source) == torch.bfloat16, source.shape[1]
    wide = depthwise(project(rows, layer.kv, halves), layer.kv_dwconv, source)
    factor, base_factor = (None if one is None else one.flatten() for one in scales)
    answer = _attend(
        depthwise(project(asking, layer.q, halves), layer.q_dwconv, query),
        wide[:, :dim],
        wide[:, dim:],
        layer,
        source,
        factor=None if factor is None else factor.expand(len(rows), -1),
        base=None if base is None else rows_of(base),
        base_factor=base_factor,
        query_by_head=layer.query_norm == 'head',
    )
    return map_of(answer, source)


def mean_values(
    source: Tensor,
    wide: tuple[Tensor, Tensor | None],
    narrow: tuple[Tensor, Tensor | None],
    mixing: tuple[Tensor, Tensor | None],
) -> Tensor:
    """Compute cross attention of (B, C, H, W) whose query is zero everywhere: three launches.

    Args:
        source: What is asked.
        wide: Weight (C, C, 1, 1) and bias of the 1x1 convolution that makes values.
        narrow: Weight (C, 1, 3, 3) and bias of the 3x3 that follows.
        mixing: What takes the mean of each head's values and projects it, (C_out, C), and a bias.
    """
    rows, halves = rows_of(source), computing_dtype(source) == torch.bfloat16
    values = multiply(rows, prepared(wide[0].flatten(1), rows, halves), wide[1], halves)
    values = operators.depthwise(
        values, narrow[0].flatten(1), narrow[1], *source.shape[-2:], False, ACTIVATIONS['none']
    )
    return map_of(multiply(values, prepared(mixing[0], rows, halves), mixing[1], halves), source)


def mamba_style_attention(
    layer: MambaStyleAttention,
    x: Tensor,
    norm: LayerNorm2d,
    record: Callable[[Tensor], None] | None,
) -> Tensor:
    """Compute ``x + layer(norm(x), record)``: eight launches, seven in bfloat16."""
    rows, halves = rows_of(x), computing_dtype(x) == torch.bfloat16
    _, gate, mask = gate_and_mask(layer, rows, x, norm)
    if record is not None:
        record(map_of(gate, x))
    if not halves or rows.shape[1] > WIDEST_GATED:
        attended = _attend_to_itself(layer.attn, mask, x, None, gate, None)
        return map_of(project(attended, layer.project_out, halves, base=rows), x)
    query, key, value = _widened(layer.attn, mask, x, None)
    matrix, bias = _matrix(query, key, layer.attn, x)
    weight = prepared(layer.project_out.weight.flatten(1), rows, halves)
    answer = operators.gated_product(
        value, matrix, bias, gate, weight, layer.project_out.bias, rows
    )
    return map_of(answer, x)


def gate_and_mask(
    layer: MambaStyleAttention, rows: Tensor, like: Tensor, norm: LayerNorm2d
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute what is convolved to a mask, the gate, and the mask: (P, C) each, three launches."""
    halves, dim = computing_dtype(like) == torch.bfloat16, rows.shape[1]
    gate_layer = cast(nn.Conv2d, layer.gate[0])
    own = layer.project_in.weight, gate_layer.weight
    weights = [prepared(one.flatten(1), rows, halves) for one in own]
    both = multiply(
        rows, weights[0], layer.project_in.bias, halves, norm,
        second=(weights[1], gate_layer.bias), activation='sigmoid',
    )  # fmt: skip
    wide, gate = (half[:, :dim] for half in both.chunk(2, dim=1))
    conv, *pointwise = cast('list[nn.Conv2d]', list(layer.dwconv))
    mask = depthwise(wide, conv, like, 'none' if pointwise else 'sigmoid')
    for last in pointwise:
        mask = project(mask, last, halves, activation='sigmoid')
    return wide, gate, mask


def _attend_to_itself(
    layer: TransposedAttention,
    rows: Tensor,
    like: Tensor,
    norm: LayerNorm2d | None,
    factor: Tensor | None,
    base: Tensor | None,
) -> Tensor:
    query, key, value = _widened(layer, rows, like, norm)
    return _attend(query, key, value, layer, like, factor=factor, base=base)


def _widened(
    layer: TransposedAttention, rows: Tensor, like: Tensor, norm: LayerNorm2d | None
) -> tuple[Tensor, ...]:
    """Two launches: queries, keys and values."""
    wide = project(rows, layer.qkv, computing_dtype(like) == torch.bfloat16, norm)
    return depthwise(wide, layer.qkv_dwconv, like).chunk(3, dim=1)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layer: TransposedAttention | TransposedCrossAttention,
    like: Tensor,
    *,
    factor: Tensor | None = None,
    base: Tensor | None = None,
    base_factor: Tensor | None = None,
    query_by_head: bool = False,
) -> Tensor:
    """Three launches: the sums, the matrix that they make, and the product by it."""
    matrix, bias = _matrix(query, key, layer, like, query_by_head)
    halves = computing_dtype(like) == torch.bfloat16
    return multiply(value, matrix, bias, halves, factor=factor, base=base, base_factor=base_factor)


def _matrix(
    query: Tensor,
    key: Tensor,
    layer: TransposedAttention | TransposedCrossAttention,
    like: Tensor,
    query_by_head: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Two launches: what values are multiplied by, (B, C_out, C), and what is added to that."""
    temperature, projection = layer.temperature, layer.project_out
    sums, squares = operators.gram(query, key, len(like), temperature.shape[0])
    weight = None if projection is None else projection.weight.flatten(1)
    matrix: Tensor = operators.attention_matrix(
        sums, squares, temperature.flatten(), weight, query_by_head,
        computing_dtype(like) == torch.bfloat16,
    )  # fmt: skip
    return matrix, None if projection is None else projection.bias
