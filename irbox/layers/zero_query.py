"""What attention across channels gives to a query that is zero everywhere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.attention import TransposedCrossAttention
from irbox.layers.channel_attention import apply, exact
from irbox.layers.standard_operators import wants_standard_operators
from irbox.layers.strips import is_watched
from irbox.utils.precision import full_precision


def attend_by_zeros(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> Tensor:
    """Compute ``attention(query, source)``, given that the query is zero: a third of the work.

    A channel that is zero everywhere has no direction (see ``inverse_norms``): it asks all channels
    of its head alike, and gets the mean of their values. Neither keys nor the weights that make
    queries matter; their gradients are zero, and are there, as distributed training wants them.

    Args:
        attention: The layer.
        query: (B, C, H, W), all zero.
        source: (B, C, H, W).

    Returns:
        (B, C, H, W), to rounding what the layer gives.
    """
    if not _can_be_cut_short(attention, source):
        answer: Tensor = attention(query, source)
        return answer
    heads, dim = len(attention.temperature), attention.q.in_channels
    wide, narrow = (_of_values(layer, dim) for layer in (attention.kv, attention.kv_dwconv))
    values = F.linear(source.permute(0, 2, 3, 1), wide[0].flatten(1), wide[1]).permute(0, 3, 1, 2)
    values = F.conv2d(values, *narrow, padding=1, groups=dim)
    with full_precision(source):
        unused = [attention.q.weight, attention.q_dwconv.weight, attention.temperature]
        alike = heads / dim + 0.0 * torch.stack([exact(weight).sum() for weight in unused]).sum()
        weights = alike.expand(len(source), heads, dim // heads, dim // heads)
        out = apply(values.permute(0, 2, 3, 1), weights, attention.project_out)
    return out.permute(0, 3, 1, 2)


def _can_be_cut_short(attention: TransposedCrossAttention, source: Tensor) -> bool:
    """Tell whether nobody looks at the steps, and none of them makes something of nothing."""
    ours = type(attention).forward is TransposedCrossAttention.forward
    biased = attention.q.bias is not None or attention.q_dwconv.bias is not None
    if not ours or biased or source.device.type != 'cpu' or wants_standard_operators():
        return False
    if torch.compiler.is_compiling() or torch._C._get_tracing_state():
        return False
    return not is_watched([attention])


def _of_values(layer: torch.nn.Conv2d, dim: int) -> tuple[Tensor, Tensor | None]:
    """Give the weight and the bias of the half of the channels that become values."""
    return layer.weight[dim:], None if layer.bias is None else layer.bias[dim:]
