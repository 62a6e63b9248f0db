"""Attention across channels from one map to another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.layers.channel_attention import (
    QueryNorm,
    add_products,
    apply,
    channel_attention,
    check_heads,
    inverse_norms,
    weigh,
)
from irbox.layers.cross_attention_gradient import can_learn, cross_attention
from irbox.layers.fused import cross_attention_gradient
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.pixel_linear import PixelLinear
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strip_convolutions import Attended
from irbox.layers.strips import can_run_in_strips, computing_dtype, pixels_of, size_of, weights_of
from irbox.layers.widen import convolve_in_strips
from irbox.triton_kernels.sizes import WIDEST_HEAD
from irbox.utils.precision import full_precision


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
        check_heads(dim, heads)
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
        """The same on strips of rows: queries, keys and values of a strip lie side by side."""
        asking, pixels, dtype = pixels_of(query), pixels_of(source), computing_dtype(source)
        batch, dim, heads = pixels.shape[0], pixels.shape[3], self.temperature.shape[0]
        values = torch.empty_like(pixels, dtype=dtype)
        exact = torch.promote_types(dtype, torch.float32)
        product = pixels.new_zeros(batch, heads, dim // heads, dim // heads, dtype=exact)
        squares = pixels.new_zeros(batch, 2 * dim, dtype=exact)
        ask, tell = (PixelLinear(*weights_of(layer, dtype)) for layer in (self.q, self.kv))

        def fill(images: slice, rows: slice, out: Tensor) -> None:
            flat = out.view(-1, 3 * dim)
            ask(asking[images, rows].to(dtype).flatten(0, 2), flat[:, :dim])
            tell(pixels[images, rows].to(dtype).flatten(0, 2), flat[:, dim:])

        with full_precision(source):
            attended = Attended(*self._taps(dtype), values)
            for images, _, (both, found) in convolve_in_strips(fill, attended, size_of(pixels)):
                add_products(product[images], *both.chunk(2, dim=-1))
                squares[images] += found
            norms = inverse_norms(squares.view(batch, 2, heads, dim // heads), self.query_norm)
            attention = weigh(product, norms, self.temperature)
            return apply(values, attention, self.project_out).permute(0, 3, 1, 2)

    def _taps(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of both 3x3s, those of queries first."""
        weights, biases = [], []
        for conv in (self.q_dwconv, self.kv_dwconv):
            weight, bias = weights_of(conv, dtype)
            weights.append(weight)
            biases.append(weight.new_zeros(len(weight)) if bias is None else bias)
        none = self.q_dwconv.bias is self.kv_dwconv.bias is None
        return torch.cat(weights), None if none else torch.cat(biases)
