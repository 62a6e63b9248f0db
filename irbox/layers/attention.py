"""Attention across channels: its cost grows with the number of pixels, not with its square."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strips import (
    can_run_in_strips,
    computing_dtype,
    pixels_of,
    widen_in_strips,
)
from irbox.utils.precision import full_precision

QueryNorm = Literal['channel', 'head']


def channel_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    temperature: Tensor,
    projection: nn.Conv2d | None,
    query_norm: QueryNorm = 'channel',
) -> Tensor:
    """Let channels attend to channels with several heads, and project the answer.

    Equal to L2-normalising query and key over the pixels, ``softmax(q k^T * temperature) v`` and a
    1x1 convolution, but cheaper: the norms divide the small product instead of the maps, and the
    attention weights are folded into the projection, so that the values are multiplied once.

    Args:
        query: (B, C, H, W).
        key: (B, C, H, W).
        value: (B, C, H, W).
        temperature: (heads, 1, 1).
        projection: 1x1 convolution, C -> C, or None.
        query_norm: See ``TransposedCrossAttention``.

    Returns:
        (B, C, H, W).
    """
    batch, dim, height, width = value.shape
    heads = temperature.shape[0]

    def split(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(batch, height * width, heads, dim // heads)

    query, key = split(query), split(key)
    with full_precision(value):
        of_query = _inverse_norms(query, query_norm)
        of_key = _inverse_norms(key)
        if query.dtype == torch.float16:
            # Sums over all pixels leave half precision's range: up for large maps, down for small.
            query = (query * of_query.unsqueeze(1)).half()
            key = (key * of_key.unsqueeze(1)).half()
            scores = torch.einsum('bphc,bphd->bhcd', query, key).float()
            weights = (scores * temperature.float()).softmax(-1)
        else:
            product = torch.einsum('bphc,bphd->bhcd', query, key)
            weights = _weigh(product, of_query, of_key, temperature)
        out = _apply(value.permute(0, 2, 3, 1), weights, projection)
    return out.permute(0, 3, 1, 2)


def _weigh(product: Tensor, of_query: Tensor, of_key: Tensor, temperature: Tensor) -> Tensor:
    """``softmax(q k^T * temperature)`` of what is left of it without the norms.

    Args:
        product: (B, heads, C, C), of the query and the key as they are.
        of_query: (B, heads, C), one over the query's norms.
        of_key: (B, heads, C), one over the key's.
        temperature: (heads, 1, 1).

    Returns:
        (B, heads, C, C), float32 or float64.
    """
    scores = _exact(product) * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
    return (scores * temperature.to(scores.dtype)).softmax(-1)


def _apply(
    value: Tensor, weights: Tensor, projection: nn.Conv2d | None, base: Tensor | None = None
) -> Tensor:
    """Multiply values by attention, project the answer and add it to a map.

    Args:
        value: (B, H, W, C).
        weights: (B, heads, c, c).
        projection: C -> C_out, or None.
        base: (B, H, W, C_out), or None for zero.

    Returns:
        (B, H, W, C_out), in the dtype of ``base`` where there is one.
    """
    batch, heads, width = weights.shape[:3]
    if projection is None:
        # (heads, c, d) -> (heads, d, heads, c), zero between heads.
        apart = torch.eye(heads, dtype=weights.dtype, device=weights.device)
        matrix = torch.einsum('hk,bhcd->bhdkc', apart, weights)
        bias = None
    else:
        # (C_out, heads, c) x (heads, c, d) -> (heads, d, C_out): projection and attention in one
        # matrix per image.
        kernel = projection.weight.to(weights.dtype).reshape(-1, heads, width)
        matrix = torch.einsum('ohc,bhcd->bhdo', kernel, weights)
        bias = projection.bias
    folded = matrix.reshape(batch, heads * width, -1).to(value.dtype)
    rows = value.flatten(1, 2)
    if base is None:
        out = torch.bmm(rows, folded)
    elif base.dtype == value.dtype:
        out = torch.baddbmm(base.flatten(1, 2), rows, folded)
    else:
        out = base.flatten(1, 2) + torch.bmm(rows, folded)
    out = out if bias is None else out + bias.to(out.dtype)
    return out.view(batch, *value.shape[1:3], -1)


def _inverse_norms(x: Tensor, norm: QueryNorm = 'channel') -> Tensor:
    """One over the L2 norm over the pixels, (B, pixels, heads, C) -> (B, heads, C), float32."""
    square = _exact(x).square().sum(1)
    if norm == 'head':
        square = square.mean(-1, keepdim=True).expand_as(square)
    return _inverse_root(square)


def _inverse_root(square: Tensor) -> Tensor:
    # A channel that is zero everywhere (an empty band) has no direction. It gets none, and no
    # gradient: the quotient's would be infinite.
    return torch.where(square > 1e-24, square.clamp_min(1e-24).rsqrt(), 0)


def _exact(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 if it is."""
    return x if x.dtype == torch.float64 else x.float()


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
        if self._can_run_in_strips(x):
            return self._in_strips(x)
        query, key, value = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        return channel_attention(query, key, value, self.temperature, self.project_out)

    def add_to(self, x: Tensor, norm: LayerNorm2d) -> Tensor:
        """Compute ``x + self(norm(x))``, (B, C, H, W) -> same shape."""
        if self._can_run_in_strips(x, norm):
            return self._in_strips(x, norm)
        answer: Tensor = x + self(norm(x))
        return answer

    def _can_run_in_strips(self, x: Tensor, *around: nn.Module) -> bool:
        ours = type(self).forward is TransposedAttention.forward
        return ours and can_run_in_strips(x, self, *around)

    def _in_strips(self, x: Tensor, norm: LayerNorm2d | None = None) -> Tensor:
        """The same on strips of rows; with a norm, ``x + self(norm(x))``."""
        pixels, dtype = pixels_of(x), computing_dtype(x)
        batch, dim = pixels.shape[0], pixels.shape[3]
        heads = self.temperature.shape[0]

        def split(strip: Tensor) -> Tensor:
            return strip.reshape(len(strip), -1, heads, dim // heads)

        values = pixels.new_empty(pixels.shape, dtype=dtype)
        exact = torch.promote_types(dtype, torch.float32)
        product = pixels.new_zeros(batch, heads, dim // heads, dim // heads, dtype=exact)
        squares = pixels.new_zeros(batch, 2 * dim, dtype=exact)
        with full_precision(x):
            for images, rows, wide in widen_in_strips(
                pixels, self.qkv, self.qkv_dwconv, dtype, norm=norm
            ):
                query, key, value = wide[..., : 3 * dim].chunk(3, dim=-1)
                product[images] += torch.einsum('bphc,bphd->bhcd', split(query), split(key))
                squares[images] += wide[..., : 2 * dim].to(exact).square().sum((1, 2))
                values[images, rows] = value
            of_query, of_key = squares.view(batch, 2, heads, dim // heads).unbind(1)
            weights = _weigh(
                product, _inverse_root(of_query), _inverse_root(of_key), self.temperature
            )
            answer = _apply(
                values, weights, self.project_out, base=None if norm is None else pixels
            )
        return answer.permute(0, 3, 1, 2)


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
        key, value = self.kv_dwconv(self.kv(source)).chunk(2, dim=1)
        query = self.q_dwconv(self.q(query))
        return channel_attention(
            query, key, value, self.temperature, self.project_out, self.query_norm
        )
