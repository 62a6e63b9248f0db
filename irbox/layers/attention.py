"""Attention across channels: its cost grows with the number of pixels, not with its square."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from irbox.layers.pointwise_conv import PointwiseConv2d
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
    pixels = height * width

    def rows(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(batch, pixels, dim)

    def split(x: Tensor) -> Tensor:
        return rows(x).reshape(batch, pixels, heads, dim // heads)

    query, key = split(query), split(key)
    with full_precision(value):
        of_query, of_key = _inverse_norms(query, query_norm), _inverse_norms(key)
        if query.dtype == torch.float16:
            # Sums over all pixels leave half precision's range: up for large maps, down for small.
            query = (query * of_query.unsqueeze(1)).half()
            key = (key * of_key.unsqueeze(1)).half()
            scores = torch.einsum('bphc,bphd->bhcd', query, key).float()
        else:
            product = torch.einsum('bphc,bphd->bhcd', query, key).float()
            scores = product * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
        weights = (scores * temperature.float()).softmax(-1)
        if projection is None:
            out = torch.einsum('bphd,bhcd->bphc', split(value), weights.to(value.dtype))
            return out.reshape(batch, height, width, dim).permute(0, 3, 1, 2)
        # (C_out, heads, c) x (heads, c, d) -> (heads, d, C_out): projection and attention in one
        # matrix per image.
        folded = torch.einsum(
            'ohc,bhcd->bhdo', projection.weight.float().reshape(-1, heads, dim // heads), weights
        ).reshape(batch, dim, -1)
        out = torch.bmm(rows(value), folded.to(value.dtype))
        if projection.bias is not None:
            out = out + projection.bias.to(out.dtype)
    return out.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def _inverse_norms(x: Tensor, norm: QueryNorm = 'channel') -> Tensor:
    """One over the L2 norm over the pixels, (B, pixels, heads, C) -> (B, heads, C), float32."""
    square = x.float().square().sum(1)
    if norm == 'head':
        square = square.mean(-1, keepdim=True).expand_as(square)
    # A channel that is zero everywhere (an empty band) has no direction. It gets none, and no
    # gradient: the quotient's would be infinite.
    return torch.where(square > 1e-24, square.clamp_min(1e-24).rsqrt(), 0)


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
        query, key, value = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        return channel_attention(query, key, value, self.temperature, self.project_out)


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
