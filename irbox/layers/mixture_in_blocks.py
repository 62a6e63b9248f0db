"""Routed perceptrons in blocks of pixels, so that no host has to know how many an expert gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.plain import are_perceptrons
from irbox.layers.strips import computing_dtype

if TYPE_CHECKING:
    from irbox.layers.mixture_of_experts import MixtureOfExperts

BLOCK = 256
"""Pixels that one product takes: more leave more of an expert's last block empty, and fewer read
its weights more often."""
WHOLE = 8
"""Of whose multiples hidden widths are: products of others are slow in half precision."""


class Places(NamedTuple):
    """Where each pixel's answers are computed."""

    pixels: Tensor
    """(S,), the pixel of each row: any where a row is empty."""
    rows: Tensor
    """(P, K), the row of each pixel's K answers."""
    experts: Tensor
    """(S / BLOCK,), the expert of each block."""


def can_mix_in_blocks(mixture: MixtureOfExperts) -> bool:
    """Tell whether ``mix_in_blocks`` may be called: for perceptrons that are alike."""
    everyone: Any = mixture.experts
    return are_perceptrons(everyone) and len({one.fc1.weight.shape for one in everyone}) == 1


def mix_in_blocks(mixture: MixtureOfExperts, x: Tensor, weights: Tensor, top_k: int) -> Tensor:
    """Compute what routed perceptrons make of a map together.

    The same as ``MixtureOfExperts.one_by_one``, with sizes that do not depend on the routing: the
    rows of each expert are filled up to whole blocks, and each block is a product of its own with
    the weights of its expert.

    Args:
        mixture: ``can_mix_in_blocks`` it.
        x: (B, C, H, W).
        weights: (B, N, H, W), zero where an expert is not asked.
        top_k: K, how many are asked for a pixel at most.

    Returns:
        (B, C, H, W), float32.
    """
    batch, dim, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, dim)
    shares, experts = weights.permute(0, 2, 3, 1).reshape(len(pixels), -1).topk(top_k)
    places = _places(experts, weights.shape[1])
    # Cast before they are copied: they are read more often than they are made.
    dtype = computing_dtype(x)
    rows = _Dealt.apply(pixels.to(dtype), places).view(-1, BLOCK, dim)
    everyone: Any = mixture.experts
    for name, fill in (('fc1', 0), ('fc2', 1)):
        layers = [getattr(one, name) for one in everyone]
        weight = torch.stack([layer.weight for layer in layers])
        bias = torch.stack([layer.bias for layer in layers])
        # Channels of zeros, which GELU leaves at zero.
        missing = -weight.shape[1 + fill] % WHOLE
        weight = F.pad(weight, (0, missing) if fill else (0, 0, 0, missing))
        bias = bias if fill else F.pad(bias, (0, missing))
        weight, bias = (_OfBlocks.apply(one.to(dtype), places.experts) for one in (weight, bias))
        rows = torch.baddbmm(bias.unsqueeze(1), rows, weight.transpose(1, 2))
        rows = rows if fill else F.gelu(rows)
    answers = _Collected.apply(rows.flatten(0, 1), places).float()
    if mixture.combine == 'sum':
        mixed = (shares.unsqueeze(2) * answers).sum(1)
    else:
        unused = shares == 0
        logarithms = shares.masked_fill(unused, 1).log().masked_fill(unused, -torch.inf)
        mixed = torch.logsumexp(answers + logarithms.unsqueeze(2), dim=1)
    answer: Tensor = mixed.view(batch, height, width, dim).permute(0, 3, 1, 2)
    return answer


@torch.no_grad()
def _places(experts: Tensor, count: int) -> Places:
    """Deal pixels that ask experts (P, K) out to blocks, in the order of the experts."""
    flat = experts.flatten()
    order = flat.to(torch.uint8 if count < 256 else flat.dtype).sort(stable=True).indices
    numbers = torch.arange(count, device=flat.device)
    asked = (flat.unsqueeze(1) == numbers).sum(0)
    room = (asked + BLOCK - 1) // BLOCK * BLOCK
    ends, shift = room.cumsum(0), (room - asked).cumsum(0) - (room - asked)
    # What was left empty before an expert's own rows moves them on.
    of_order = torch.arange(len(flat), device=flat.device) + shift[flat[order]]
    size = (-(-len(flat) // BLOCK) + count) * BLOCK
    rows = torch.empty_like(flat).scatter_(0, order, of_order)
    pixels = flat.new_zeros(size).scatter_(0, of_order, order // experts.shape[1])
    starts = torch.arange(0, size, BLOCK, device=flat.device)
    owner = (starts.unsqueeze(1) >= ends).sum(1).clamp(max=count - 1)
    return Places(pixels, rows.view_as(experts), owner)


class _Dealt(torch.autograd.Function):
    """Pixels (P, C) in the rows of their places, (S, C)."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, places: Places) -> Tensor:
        ctx.places = places
        return pixels.index_select(0, places.pixels)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        # Looked up, in an order; what atomic additions sum up has none.
        return _Collected.apply(grads[0], ctx.places).sum(1), None


class _Collected(torch.autograd.Function):
    """The answers of each pixel, (P, K, C), out of rows (S, C); a row is read once at most."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Places) -> Tensor:
        ctx.places, ctx.size = places, len(rows)
        return rows[places.rows]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        answers = grads[0].flatten(0, 1)
        empty = answers.new_zeros(ctx.size, answers.shape[1])
        return empty.index_copy(0, ctx.places.rows.flatten(), answers), None


class _OfBlocks(torch.autograd.Function):
    """What each expert has, (N, ...), for each block, (blocks, ...)."""

    @staticmethod
    def forward(ctx: Any, stacked: Tensor, experts: Tensor) -> Tensor:
        ctx.experts, ctx.count = experts, len(stacked)
        return stacked.index_select(0, experts)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        numbers = torch.arange(ctx.count, device=ctx.experts.device).unsqueeze(1)
        mine = (numbers == ctx.experts).to(grads[0].dtype)
        return (mine @ grads[0].flatten(1)).view(ctx.count, *grads[0].shape[1:]), None
