"""From scores to sparse weights."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from irbox.layers.best_scores import best
from irbox.layers.expert_load import counted_load
from irbox.layers.plain import is_traced
from irbox.native.library import native
from irbox.native.routes import route

Normalize = Literal['selected', 'printed']


def top_k_weights(scores: Tensor, top_k: int, normalize: Normalize = 'selected') -> Tensor:
    """Turn the ``top_k`` largest scores of each pixel into weights (M2Restore, Eq. 10-11).

    Examples:
        >>> scores = torch.tensor([2.0, 1.0, 2.0]).view(1, 3, 1, 1)
        >>> top_k_weights(scores, top_k=2).flatten().tolist()
        [0.5, 0.0, 0.5]

    Args:
        scores: (B, N, H, W).
        top_k: K, how many experts a pixel keeps.
        normalize: ``'selected'``: softmax over the kept scores, exactly zero elsewhere, as the text
            describes. ``'printed'``: Eq. 10-11 to the letter, the others' scores set to 0 before
            the softmax, which leaves every expert a weight.

    Returns:
        (B, N, H, W), float32, non-negative, sums to 1 over N.
    """
    # In half precision, equal scores would make top-k choose the first experts always.
    scores = scores.float()
    kept, index = best(scores, top_k, dim=1)
    if normalize == 'printed':
        return torch.zeros_like(scores).scatter(1, index, kept).softmax(1)
    return torch.zeros_like(scores).scatter(1, index, kept.softmax(1))


def counted_top_k(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Compute ``top_k_weights`` and how often each expert is among the best K.

    Among equal scores the first count here, where a kernel of ours computes, or those that torch
    names.

    Args:
        scores: (..., N), float32.
        top_k: K.

    Returns:
        (..., N), the weights, and (N,), the counts, which have no gradient.
    """
    plain = not is_traced(scores) and scores.numel() > 0
    if plain and scores.device.type == 'cpu' and scores.dtype == torch.float32:
        library = native()
        if library is not None:
            weights, load = _Routed.apply(scores, top_k)
            return weights, load
    return top_k_weights(scores.movedim(-1, 1), top_k).movedim(1, -1), counted_load(scores, top_k)


class _Routed(torch.autograd.Function):
    """By a kernel of ours; its gradient can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
        library = native()
        assert library is not None
        weights, load = route(library, scores.contiguous(), top_k)
        ctx.save_for_backward(weights)
        ctx.mark_non_differentiable(load)
        return weights, load

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (weights,), grad = ctx.saved_tensors, grads[0]
        return weights * (grad - (grad * weights).sum(-1, keepdim=True)), None
