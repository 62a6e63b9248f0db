"""Attention across channels: its cost grows with the number of pixels, not with its square."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.layers.attention_gradient import transposed_attention
from irbox.layers.channel_attention import (
    add_multiplied,
    add_products,
    attention_matrix,
    channel_attention,
    check_heads,
    inverse_norms,
    multiply,
    squares_of,
    weigh,
)
from irbox.layers.fused import attention_gradient
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_learn_fused, can_run_fused
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strip_convolutions import Attended
from irbox.layers.strip_gradients import can_learn_by_kernels, can_learn_in_strips
from irbox.layers.strips import (
    can_run_in_strips,
    computing_dtype,
    kept_map,
    pixels_of,
    weights_of,
)
from irbox.layers.widen import widen_in_strips, widening
from irbox.native import layers
from irbox.native.library import LANES
from irbox.triton_kernels.sizes import WIDEST_HEAD
from irbox.utils.precision import full_precision


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
        check_heads(dim, heads)
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
