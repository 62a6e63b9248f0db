"""How often each expert is selected: counted, or estimated with a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.best_scores import best


def counted_load(scores: Tensor, top_k: int) -> Tensor:
    """Count how often each expert is among the best K.

    Args:
        scores: (..., N).
        top_k: K.

    Returns:
        (N,), without a gradient.
    """
    index = best(scores, top_k)[1].flatten()
    if scores.device.type == 'cuda':
        return counts_side_by_side(index, scores.shape[-1]).to(scores.dtype)
    return scores.new_zeros(scores.shape[-1]).index_add(
        0, index, scores.new_ones(()).expand_as(index)
    )


def counts_side_by_side(index: Tensor, number: int) -> Tensor:
    """Count each of the numbers below ``number`` in (P,): (number,), int64.

    A device that adds to a handful of places a million times waits for itself.
    """
    return (index == torch.arange(number, device=index.device)[:, None]).sum(1)


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
    leading, _ = best(noisy, top_k + 1)
    # What an expert must beat to be among the best K: the next best where it is in, the last kept
    # where not.
    if_in, if_out = leading[..., -1:], leading[..., -2:-1]
    threshold = torch.where(noisy > if_in, if_in, if_out)
    probability = torch.special.ndtr((clean - threshold) / sigma)
    answer: Tensor = probability.sum(tuple(range(probability.ndim - 1)))
    return answer
