"""Rows taken by their numbers and added up by them, as operators and with gradients.

Where the places at which a row is taken are known, the gradient of taking is a sum over them: no
row is added to by many programs, and the bits are the same every time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irbox.layers.fused.define import define


def gathered(rows: Tensor, index: Tensor, missing: float) -> Tensor:
    """See ``gather_rows``."""
    found = rows.index_select(0, index.clamp(min=0))
    return found.masked_fill(index.unsqueeze(1) < 0, missing)


def summed(rows: Tensor, places: Tensor) -> Tensor:
    """See ``sum_rows``."""
    parts = [gathered(rows, one, 0.0).float() for one in places]
    return torch.stack(parts).sum(0).to(rows.dtype)


def _gather_out(rows: Tensor, index: Tensor, missing: float) -> Tensor:
    return rows.new_empty(len(index), rows.shape[1])


def _sum_out(rows: Tensor, places: Tensor) -> Tensor:
    return rows.new_empty(places.shape[1], rows.shape[1])


gather_rows = define(
    'gather_rows(Tensor rows, Tensor index, float missing) -> Tensor',
    'row_kernels',
    gathered,
    _gather_out,
)
"""Take rows by their numbers.

Args:
    rows: (P, C).
    index: (R,), whole numbers; negative where there is no row.
    missing: What stands there then.

Returns:
    (R, C).
"""

sum_rows = define('sum_rows(Tensor rows, Tensor places) -> Tensor', 'row_kernels', summed, _sum_out)
"""Add up rows by their numbers, in float32.

Args:
    rows: (R, C).
    places: (K, P), contiguous; negative where there is no row.

Returns:
    (P, C), in the dtype of the rows.
"""


def take_rows(rows: Tensor, index: Tensor, places: Tensor) -> Tensor:
    """``rows[index]``, differentiable.

    Args:
        rows: (P, C).
        index: (R,).
        places: (K, P), where each row is in the answer; -1 where it is there fewer times.

    Returns:
        (R, C).
    """
    answer: Tensor = _Take.apply(rows, index, places)
    return answer


def add_rows(rows: Tensor, index: Tensor, places: Tensor) -> Tensor:
    """Sum ``rows[places]`` over K, what transposes ``take_rows``: (R, C) -> (P, C)."""
    answer: Tensor = _Add.apply(rows, index, places)
    return answer


def spread_rows(rows: Tensor, at: Tensor, places: Tensor, missing: float) -> Tensor:
    """Lay rows (R, C) out at their places, differentiable.

    Args:
        rows: (R, C).
        at: (R,), where each row is in the answer.
        places: (K, P), which row is at each place of the answer; -1 where none is.
        missing: What stands where none is.

    Returns:
        (K P, C).
    """
    answer: Tensor = _Spread.apply(rows, at, places, missing)
    return answer


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(index, places)
        answer: Tensor = gather_rows(rows, index, 0.0)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        index, places = ctx.saved_tensors
        return _Add.apply(grads[0].contiguous(), index, places), None, None


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(index, places)
        answer: Tensor = sum_rows(rows, places)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        index, places = ctx.saved_tensors
        return _Take.apply(grads[0].contiguous(), index, places), None, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, at: Tensor, places: Tensor, missing: float) -> Tensor:
        ctx.save_for_backward(at, places)
        answer: Tensor = gather_rows(rows, places.flatten(), missing)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        at, places = ctx.saved_tensors
        return _Take.apply(grads[0].contiguous(), at, places.view(1, -1)), None, None, None
