"""The kernel of a router as a function of tensors."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor


def route(library: ctypes.CDLL, scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Choose the best K experts of each pixel, and take the softmax of their scores.

    Args:
        library: See ``native``.
        scores: (..., N), contiguous, float32.
        top_k: K, 1 to N.

    Returns:
        The weights, (..., N), zero where an expert is not among the best, the first of those that
        are equal; and how often each is, (N,), float32.
    """
    number = scores.shape[-1]
    assert scores.is_contiguous() and scores.dtype == torch.float32 and 0 < top_k <= number
    weights, load = torch.empty_like(scores), scores.new_empty(number)
    library.route_float32(
        scores.data_ptr(), scores.numel() // number, number, top_k, weights.data_ptr(),
        load.data_ptr(), torch.get_num_threads(),
    )  # fmt: skip
    return weights, load
