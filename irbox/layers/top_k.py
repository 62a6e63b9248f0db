"""From scores to sparse weights."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

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
    kept, index = scores.topk(top_k, dim=1)
    if normalize == 'printed':
        return torch.zeros_like(scores).scatter(1, index, kept).softmax(1)
    return torch.zeros_like(scores).scatter(1, index, kept.softmax(1))
