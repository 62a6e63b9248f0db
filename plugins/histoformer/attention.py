"""What the blocks of Histoformer and HOGformer share: attention between bins of sorted pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d


class PlainNorm(nn.Module):
    """LayerNorm over the channels of each pixel, without weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map, (B, C, H, W) -> same shape and dtype."""
        pixels = x.permute(0, 2, 3, 1)
        exact = pixels.to(torch.promote_types(x.dtype, torch.float32))
        return F.layer_norm(exact, exact.shape[-1:]).to(x.dtype).permute(0, 3, 1, 2)


def unsort(x: Tensor, order: Tensor, dim: int) -> Tensor:
    """Put sorted values back, ``answer[order[i]] = x[i]`` along a dimension."""
    return (
        torch.empty_like(x).scatter_(dim, order, x)
        if not x.requires_grad
        else (x.gather(dim, order.argsort(dim)))
    )


class BinAttention(nn.Module):
    """Attention of channels and bins to each other, over sorted pixels.

    Pixels are cut into as many bins as there are heads, of consecutive pixels (by frequency) or of
    every so manyth (by range). A token is a channel's bin; queries and keys are L2-normalised;
    the weights are ``exp(S) / (1 + sum exp(S))``, one more below than in a softmax.

    Args:
        heads: Number of heads, and of bins.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, interleaved: bool) -> Tensor:
        """Attend, three of (B, C, pixels) -> same shape."""
        count = value.shape[-1]
        query, key, value = (self._tokens(x, interleaved) for x in (query, key, value))
        exact = torch.promote_types(value.dtype, torch.float32)
        query, key = (F.normalize(x.to(exact), dim=-1) for x in (query, key))
        scores = query @ key.mT * self.temperature.to(exact)
        # One more below: a score of zero for a value that is nothing.
        nothing = scores.new_zeros(*scores.shape[:-1], 1)
        weights = torch.cat([scores, nothing], dim=-1).softmax(-1)[..., :-1]
        return self._pixels(weights.to(value.dtype) @ value, interleaved)[..., :count]

    def _tokens(self, x: Tensor, interleaved: bool) -> Tensor:
        """(B, C, pixels) -> (B, heads, C / heads * bins, pixels / bins)."""
        batch, dim, count = x.shape
        bins = self.heads
        x = F.pad(x, (0, -count % bins))
        shape = (-1, bins) if interleaved else (bins, -1)
        x = x.reshape(batch, self.heads, dim // self.heads, *shape)
        return (x.mT if interleaved else x).flatten(2, 3)

    def _pixels(self, x: Tensor, interleaved: bool) -> Tensor:
        """Undo ``_tokens``, but for its padding."""
        x = x.reshape(*x.shape[:2], -1, self.heads, x.shape[-1])
        return (x.mT if interleaved else x).flatten(3).flatten(1, 2)


class SortedAttention(nn.Module, ABC):
    """Two attentions between bins of sorted pixels; their answers are multiplied.

    What differs between the systems is how pixels are sorted: ``rearrange`` before the projection,
    and ``order`` of the projected pixels.

    Args:
        dim: Number of channels.
        heads: Number of heads, and of bins.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(
                f'heads={heads}: twice that must divide the {dim} channels of its level.'
            )
        self.attend = BinAttention(heads)
        self.qkv = PointwiseConv2d(dim, 5 * dim, bias=False)
        self.qkv_dwconv = nn.Conv2d(5 * dim, 5 * dim, 3, padding=1, groups=5 * dim, bias=False)
        self.project_out = PointwiseConv2d(dim, dim, bias=False)

    @abstractmethod
    def rearrange(self, half: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Sort half of the channels, (B, C/2, H, W); also give what ``restore`` needs."""

    @abstractmethod
    def restore(self, half: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        """Undo ``rearrange``."""

    @abstractmethod
    def order(self, value: Tensor) -> Tensor:
        """Give the order of the pixels of (B, C, H, W), (B, C or 1, H * W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Attend, (B, C, H, W) -> same shape."""
        height, width = x.shape[-2:]
        moved, still = x.chunk(2, dim=1)
        moved, kept = self.rearrange(moved)
        maps = self.qkv_dwconv(self.qkv(torch.cat([moved, still], dim=1))).chunk(5, dim=1)
        order = self.order(maps[4]).expand(-1, x.shape[1], -1)
        query1, key1, query2, key2, value = (one.flatten(2).gather(2, order) for one in maps)
        near = unsort(self.attend(query1, key1, value, False), order, 2)
        far = unsort(self.attend(query2, key2, value, True), order, 2)
        mixed = self.project_out((near * far).view(*x.shape[:2], height, width))
        moved, still = mixed.chunk(2, dim=1)
        return torch.cat([self.restore(moved, kept), still], dim=1)
