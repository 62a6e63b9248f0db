"""Attention across channels: its cost grows with the number of pixels, not with its square."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.layers.attention_gradient import transposed_attention
from irbox.layers.channel_attention import (
    QueryNorm,
    add_multiplied,
    add_products,
    apply,
    attention_matrix,
    channel_attention,
    inverse_norms,
    multiply,
    squares_of,
    weigh,
)
from irbox.layers.cross_attention_gradient import can_learn, cross_attention
from irbox.layers.fused import attention_gradient, cross_attention_gradient
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_learn_fused, can_run_fused
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strip_convolutions import Attended, Convolved
from irbox.layers.strip_gradients import can_learn_by_kernels, can_learn_in_strips
from irbox.layers.strips import can_run_in_strips, computing_dtype, kept_map, pixels_of, weights_of
from irbox.layers.widen import widen_in_strips, widening
from irbox.native import layers
from irbox.native.library import LANES
from irbox.triton_kernels.sizes import WIDEST_HEAD
from irbox.utils.precision import full_precision


def _check_heads(dim: int, heads: int) -> None:
    if heads < 1 or dim % heads:
        raise ValueError(
            f'heads={heads} must divide the {dim} channels of its level. '
            'Change the heads or the width of the network.'
        )


class TransposedAttention(nn.Module):
    """Self-attention across channels (MDTA in Restormer).

    Args:
        dim: Number of channels.
        heads: Number of heads; divides ``dim``.
        bias: Give the convolutions a bias.
        projection: End with a 1x1 convolution.

    Raises:
        ValueError: ``heads`` does not divide ``dim``.
    """

    def __init__(self, dim: int, heads: int, bias: bool = False, projection: bool = True) -> None:
        super().__init__()
        _check_heads(dim, heads)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = PointwiseConv2d(dim, 3 * dim, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = PointwiseConv2d(dim, dim, bias=bias) if projection else None

    def forward(self, x: Tensor) -> Tensor:
        """Attend, (B, C, H, W) -> same shape."""
        if self._fits() and can_run_fused(x, self):
            return fused.transposed_attention(self, x)
        if self._fits() and can_learn_fused(x, self):
            return attention_gradient.transposed_attention(self, x)
        if self._is_ours() and can_run_in_strips(x, self):
            return self.in_strips(x)[0]
        if self._is_ours() and self._learns_by_kernels(x):
            return transposed_attention(self, x, None, keeps=True)
        if self._is_ours() and can_learn_in_strips(x, self):
            return transposed_attention(self, x, None, keeps=False)
        return self.as_a_whole(x)

    def add_to(self, x: Tensor, norm: LayerNorm2d) -> Tensor:
        """Compute ``x + self(norm(x))``, (B, C, H, W) -> same shape."""
        if self._fits() and can_run_fused(x, self, norm):
            return fused.transposed_attention(self, x, norm)
        if self._fits() and can_learn_fused(x, self, norm):
            return attention_gradient.transposed_attention(self, x, norm)
        if self._is_ours() and can_run_in_strips(x, self, norm):
            return self.in_strips(x, norm)[0]
        if self._is_ours() and self._learns_by_kernels(x, norm):
            return transposed_attention(self, x, norm, keeps=True)
        if self._is_ours() and can_learn_in_strips(x, self, norm):
            return transposed_attention(self, x, norm, keeps=False)
        answer: Tensor = x + self(norm(x))
        return answer

    def as_a_whole(self, x: Tensor, norm: LayerNorm2d | None = None) -> Tensor:
        """Compute the layer, with a norm ``x + self(norm(x))``, operator by operator."""
        wide = self.qkv_dwconv(self.qkv(x if norm is None else norm(x)))
        query, key, value = wide.chunk(3, dim=1)
        with full_precision(x):
            both = wide[:, : 2 * query.shape[1]].permute(0, 2, 3, 1)
            squares = squares_of(both.flatten(1, 2))
        answer = channel_attention(
            query, key, value, self.temperature, self.project_out, squares=squares
        )
        return answer if norm is None else x + answer

    def _is_ours(self) -> bool:
        return type(self).forward is TransposedAttention.forward

    def _learns_by_kernels(self, x: Tensor, norm: LayerNorm2d | None = None) -> bool:
        channels, made = x.shape[1], self.qkv.out_channels
        return channels % LANES == 0 and can_learn_by_kernels(x, made, self, norm)

    def _fits(self) -> bool:
        return self._is_ours() and self.qkv.in_channels <= WIDEST_HEAD * len(self.temperature)

    def in_strips(
        self, x: Tensor, norm: LayerNorm2d | None = None, wide: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the same on strips of rows, with nothing to differentiate.

        Args:
            x: (B, C, H, W).
            norm: Applied first; the answer is then added to ``x``.
            wide: See ``wide_map``, where that map is to be kept.

        Returns:
            The answer; the values (B, H, W, C); ``q^T k`` (B, heads, c, c) and the sums of squares
            of the queries and keys, (B, 2 C).
        """
        pixels = pixels_of(x)
        values = torch.empty_like(pixels, dtype=computing_dtype(x))
        with full_precision(x):
            product, squares = self._sum_in_strips(pixels, values, norm, wide)
            matrix = attention_matrix(product, squares, self.temperature, self.project_out)
            if norm is None:
                answer = multiply(values, matrix, self.project_out)
            else:
                answer = add_multiplied(pixels, values, matrix, self.project_out)
        return answer.permute(0, 3, 1, 2), values, product, squares

    def weigh_in_strips(
        self,
        pixels: Tensor,
        values: Tensor,
        norm: LayerNorm2d | None = None,
        wide: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute values and attention's weights on strips of rows.

        Args:
            pixels: (B, H, W, C), contiguous.
            values: The same, in the dtype that is computed in, written to. They may be the pixels
                themselves, where nobody needs those any more.
            norm: Applied to the pixels first.
            wide: See ``in_strips``.

        Returns:
            The weights, ``q^T k``, both (B, heads, c, c), and the sums of squares of the queries
            and keys, (B, 2 C).
        """
        product, squares = self._sum_in_strips(pixels, values, norm, wide)
        batch, heads, width, _ = product.shape
        norms = inverse_norms(squares.view(batch, 2, heads, width))
        return weigh(product, norms, self.temperature), product, squares

    def _sum_in_strips(
        self,
        pixels: Tensor,
        values: Tensor,
        norm: LayerNorm2d | None = None,
        wide: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute values and what ``weigh_in_strips`` weighs them by."""
        batch, dim, dtype = pixels.shape[0], pixels.shape[3], values.dtype
        heads = self.temperature.shape[0]
        exact = torch.promote_types(dtype, torch.float32)
        product = pixels.new_zeros(batch, heads, dim // heads, dim // heads, dtype=exact)
        squares = pixels.new_zeros(batch, 2 * dim, dtype=exact)
        attended = Attended(*weights_of(self.qkv_dwconv, dtype, made=1), values)
        known = widening(pixels, self.qkv, attended, wide, norm=norm)
        if known is not None and not dim // heads % LANES:
            layers.attention_sums(*known, values, product, squares)
            return product, squares
        # A strip's values are written after the rows below it have been read.
        parts = widen_in_strips(pixels, self.qkv, attended, norm=norm, kept=wide)
        for images, _, (both, found) in parts:
            query, key = both.chunk(2, dim=-1)
            add_products(product[images], query, key)
            squares[images] += found
        return product, squares

    def wide_map(self, x: Tensor) -> Tensor:
        """Give memory for queries, keys and values of a map, 3 C wide."""
        return kept_map(x, 3 * x.shape[1])


class TransposedCrossAttention(nn.Module):
    """Attention across channels with the query from one map, key and value from another.

    The form of AdaIR's frequency blocks and of M2IR's CA (Eq. 3 and 7).

    Args:
        dim: Number of channels of both maps.
        heads: Number of heads; divides ``dim``.
        bias: Give the convolutions a bias.
        query_norm: Over what the query's L2 norm is taken: ``'channel'``, the pixels of each
            channel, or ``'head'``, the mean over the channels of a head. Of a query that is the
            same at every pixel the first leaves nothing but the signs.

    Raises:
        ValueError: ``heads`` does not divide ``dim``.
    """

    def __init__(
        self, dim: int, heads: int, bias: bool = False, query_norm: QueryNorm = 'channel'
    ) -> None:
        super().__init__()
        _check_heads(dim, heads)
        self.query_norm = query_norm
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = PointwiseConv2d(dim, dim, bias=bias)
        self.q_dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=bias)
        self.kv = PointwiseConv2d(dim, 2 * dim, bias=bias)
        self.kv_dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim, bias=bias)
        self.project_out = PointwiseConv2d(dim, dim, bias=bias)

    def forward(self, query: Tensor, source: Tensor) -> Tensor:
        """Attend from ``query`` (B, C, H, W) to ``source`` (B, C, H, W) -> same shape."""
        if self._can_run_fused(query, source):
            return fused.cross_attention(self, query, source)
        if self._fits() and cross_attention_gradient.can_learn(self, query, source):
            return cross_attention_gradient.cross_attention(self, query, source)
        ours = self._is_ours() and self.q_dwconv.kernel_size == self.kv_dwconv.kernel_size == (3, 3)
        if ours and can_run_in_strips(query, self) and can_run_in_strips(source):
            return self._in_strips(query, source)
        if ours and can_learn(self, query, source):
            return cross_attention(self, query, source)
        return self.as_a_whole(query, source)

    def as_a_whole(self, query: Tensor, source: Tensor) -> Tensor:
        """Compute the layer operator by operator."""
        key, value = self.kv_dwconv(self.kv(source)).chunk(2, dim=1)
        query = self.q_dwconv(self.q(query))
        return channel_attention(
            query, key, value, self.temperature, self.project_out, self.query_norm
        )

    def add_to(
        self,
        x: Tensor,
        query: Tensor,
        source: Tensor,
        scales: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Compute ``x + self(query, source)``, (B, C, H, W) -> same shape.

        With scales ``scales[0] * self(query, source) + scales[1] * x``, each (C, 1, 1).
        """
        if self._can_run_fused(query, source) and can_run_fused(x):
            return fused.cross_attention(self, query, source, x, scales or (None, None))
        answer: Tensor = self(query, source)
        return x + answer if scales is None else scales[0] * answer + scales[1] * x

    def _can_run_fused(self, query: Tensor, source: Tensor) -> bool:
        return self._fits() and can_run_fused(query, self) and can_run_fused(source)

    def _fits(self) -> bool:
        return self._is_ours() and self.q.in_channels <= WIDEST_HEAD * len(self.temperature)

    def _is_ours(self) -> bool:
        return type(self).forward is TransposedCrossAttention.forward

    def _in_strips(self, query: Tensor, source: Tensor) -> Tensor:
        """The same on strips of rows."""
        asking, pixels, dtype = pixels_of(query), pixels_of(source), computing_dtype(source)
        batch, dim, heads = pixels.shape[0], pixels.shape[3], self.temperature.shape[0]
        queries, values = (torch.empty_like(pixels, dtype=dtype) for _ in range(2))
        exact = torch.promote_types(dtype, torch.float32)
        product = pixels.new_zeros(batch, heads, dim // heads, dim // heads, dtype=exact)
        squares = pixels.new_zeros(batch, 2, dim, dtype=exact)
        with full_precision(source):
            asked = Convolved(*weights_of(self.q_dwconv, dtype, made=1))
            for images, rows, wide in widen_in_strips(asking, self.q, asked):
                queries[images, rows] = wide[..., :dim]
                squares[images, 0] += squares_of(wide[..., :dim].flatten(1, 2))
            found = Convolved(*weights_of(self.kv_dwconv, dtype, made=1))
            for images, rows, wide in widen_in_strips(pixels, self.kv, found):
                key, value = wide[..., : 2 * dim].chunk(2, dim=-1)
                add_products(product[images], queries[images, rows], key)
                squares[images, 1] += squares_of(key.flatten(1, 2))
                values[images, rows] = value
            norms = inverse_norms(squares.view(batch, 2, heads, dim // heads), self.query_norm)
            weights = weigh(product, norms, self.temperature)
            return apply(values, weights, self.project_out).permute(0, 3, 1, 2)
