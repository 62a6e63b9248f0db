"""Attention across channels, with normalised queries and keys."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.attention import TransposedAttention
from irbox.layers.channel_attention import QueryNorm
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.testing.reference.twins import twin_of


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    temperature: Tensor,
    project_out: nn.Module | None,
    query_norm: QueryNorm = 'channel',
) -> Tensor:
    """Compute ``W softmax(q k^T * temperature) v``, three maps (B, C, H, W) -> one."""
    shape, heads = value.shape, len(temperature)
    # (B, heads, channels of a head, pixels)
    query, key, value = (
        x.reshape(shape[0], heads, shape[1] // heads, -1) for x in (query, key, value)
    )
    if query_norm == 'channel':
        query = F.normalize(query, dim=-1)
    else:
        # One length for all channels of a head: the root of the mean of their squared lengths.
        square = query.square().sum(-1, keepdim=True).mean(-2, keepdim=True)
        query = query / square.sqrt().clamp_min(1e-12)
    key = F.normalize(key, dim=-1)
    weights = (query @ key.transpose(-2, -1) * temperature).softmax(dim=-1)
    out = (weights @ value).reshape(shape)
    answer: Tensor = out if project_out is None else project_out(out)
    return answer


@twin_of(TransposedAttention)
class TextbookTransposedAttention(TransposedAttention):
    """MDTA (Restormer, Eq. 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        query, key, value = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        return attend(query, key, value, self.temperature, self.project_out)


@twin_of(TransposedCrossAttention)
class TextbookTransposedCrossAttention(TransposedCrossAttention):
    """The same with the query from another map (M2IR, Eq. 3 and 7)."""

    def forward(self, query: Tensor, source: Tensor) -> Tensor:
        """Two maps (B, C, H, W) -> one."""
        query = self.q_dwconv(self.q(query))
        key, value = self.kv_dwconv(self.kv(source)).chunk(2, dim=1)
        return attend(query, key, value, self.temperature, self.project_out, self.query_norm)


@twin_of(MambaStyleAttention)
class TextbookMambaStyleAttention(MambaStyleAttention):
    """MSA: ``W3(MDTA(sigmoid(Wd W1 x)) * sigmoid(W2 x))`` (M2IR, Eq. 1-2)."""

    def forward(self, x: Tensor, record: Callable[[Tensor], None] | None = None) -> Tensor:
        """(B, C, H, W) -> same shape."""
        mask = self.dwconv(self.project_in(x)).sigmoid()
        attended = self.attn(mask if self.mask_mode == 'input' else mask * x)
        gate = self.gate(x)
        if record is not None:
            record(gate)
        answer: Tensor = self.project_out(attended * gate)
        return answer
