"""How often each expert is selected: counted, or estimated with a gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def counted_load(scores: Tensor, top_k: int) -> Tensor:
    """Count how often each expert is among the best K.

    Args:
        scores: (..., N).
        top_k: K.

    Returns:
        (N,), without a gradient.
    """
    index = scores.topk(top_k, dim=-1).indices.flatten()
    return scores.new_zeros(scores.shape[-1]).index_add(
        0, index, scores.new_ones(()).expand_as(index)
    )


def expected_load(clean: Tensor, noisy: Tensor, sigma: Tensor, top_k: int) -> Tensor:
    """Estimate smoothly how often each expert would be selected under fresh noise.

    The load of noisy top-k gating (Shazeer et al. 2017), which M2Restore's public code uses.

    Args:
        clean: (..., N), scores without noise.
        noisy: (..., N), scores by which the best K were selected.
        sigma: (..., N), standard deviation of the noise.
        top_k: K, less than N.

    Returns:
        (N,), the sum of each expert's probability over all other dimensions.
    """
    best = noisy.topk(top_k + 1, dim=-1).values
    # What an expert must beat to be among the best K: the next best where it is in, the last kept
    # where not.
    if_in, if_out = best[..., -1:], best[..., -2:-1]
    threshold = torch.where(noisy > if_in, if_in, if_out)
    probability = torch.special.ndtr((clean - threshold) / sigma)
    answer: Tensor = probability.sum(tuple(range(probability.ndim - 1)))
    return answer
