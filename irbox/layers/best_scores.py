"""The best few of a handful of scores."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_ROUNDS = 4
"""Beyond, one selection is cheaper than looking for each maximum in turn."""


def best(scores: Tensor, count: int, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Find the largest scores along a dimension, the largest first.

    On a CUDA device the first of equal scores is the better one; elsewhere torch decides.

    Args:
        scores: Any shape; differentiable.
        count: How many, at most the size of the dimension.
        dim: Where to look.

    Returns:
        The scores, and where they are: the shape of ``scores`` but for the dimension, which is
        ``count`` long.
    """
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state()
    if scores.device.type != 'cuda' or traced or count > MOST_ROUNDS or not scores.numel():
        values, index = scores.topk(count, dim=dim)
        return values, index
    return best_in_rounds(scores, count, dim)


def best_in_rounds(scores: Tensor, count: int, dim: int) -> tuple[Tensor, Tensor]:
    """Do what ``best`` does, one maximum after the other.

    A CUDA device selects from rows of thousands: of six scores, it sorts two in the time that
    reads the map a dozen times.
    """
    # Nothing is as small as what was found already.
    left = scores.detach().clamp(min=torch.finfo(scores.dtype).min)
    found = []
    for _ in range(count):
        found.append(left.argmax(dim, keepdim=True))
        left.scatter_(dim, found[-1], -torch.inf)
    index = torch.cat(found, dim)
    return scores.gather(dim, index), index
