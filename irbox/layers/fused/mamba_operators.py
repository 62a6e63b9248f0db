"""The steps of Mamba and of the branches around it, as operators.

Maps are rows here: pixels in the order of memory, (P, C), the channels of one next to each other;
rows may lie further apart than they are long. See `define`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.fused import gradient_twins
from irbox.layers.fused import torch_twins as twins
from irbox.layers.fused.define import define
from irbox.triton_kernels.sizes import CAUSAL_STEPS


def _causal_out(rows: Tensor, weight: Tensor, bias: Tensor | None, length: int) -> Tensor:
    return rows.new_empty(len(rows), len(weight))


causal = define(
    'causal(Tensor rows, Tensor weight, Tensor? bias, int length) -> Tensor',
    'causal_kernel',
    twins.causal,
    _causal_out,
)
"""Convolve sequences channel by channel, each step with those before it, and apply SiLU.

Args:
    rows: (B L, C).
    weight: (C, taps), the step's own last.
    bias: (C,), or None.
    length: L.

Returns:
    (B L, C).
"""


def _causal_gradient_out(
    rows: Tensor, weight: Tensor, bias: Tensor | None, given: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    channels, taps = weight.shape
    sums = rows.new_empty(-(-len(rows) // CAUSAL_STEPS), taps + 1, channels, dtype=torch.float32)
    return rows.new_empty(len(rows), channels), sums


causal_gradient = define(
    'causal_gradient(Tensor rows, Tensor weight, Tensor? bias, Tensor given, int length) '
    '-> (Tensor, Tensor)',
    'causal_gradient_kernel',
    gradient_twins.causal_gradient,
    _causal_gradient_out,
)
"""Differentiate ``causal``.

Args:
    rows: (B L, C).
    weight: (C, taps).
    bias: (C,), or None.
    given: (B L, C), the gradient of its answer.
    length: L.

Returns:
    The gradient of the rows, and, by parts of the steps, those of the taps and behind them of the
    bias, (parts, taps + 1, C), float32.
"""


def _scan_out(
    u: Tensor,
    delta: Tensor,
    log_rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    gate: Tensor,
    length: int,
) -> Tensor:
    return u.new_empty(len(u), len(log_rates))


scan_rows = define(
    'scan_rows(Tensor u, Tensor delta, Tensor log_rates, Tensor b, Tensor c, Tensor skip, '
    'Tensor gate, int length) -> Tensor',
    'scan_kernel',
    twins.scan_rows,
    _scan_out,
)
"""Run `selective_scan` on rows, with time steps ``softplus(delta)`` and rates ``-exp(log_rates)``.

Args:
    u: (B L, C).
    delta: (B L, C).
    log_rates: (C, N).
    b: (B L, N).
    c: (B L, N).
    skip: (C,).
    gate: (B L, C).
    length: L.

Returns:
    (B L, C).
"""


def _blend_out(
    local: Tensor,
    distant: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    gate: Tensor | None,
    base: Tensor,
    weighs_local: bool,
    eps: float,
) -> Tensor:
    return base.new_empty(base.shape)


blend = define(
    'blend(Tensor local, Tensor distant, Tensor norm_weight, Tensor norm_bias, Tensor? gate, '
    'Tensor base, bool weighs_local, float eps) -> Tensor',
    'blend_kernel',
    twins.blend,
    _blend_out,
)
"""Add what a gate makes of two branches: ``base + gate * one + (1 - gate) * other``.

Args:
    local: (P, C).
    distant: (P, C), normalised first, as by ``LayerNorm2d``.
    norm_weight: (C,).
    norm_bias: (C,).
    gate: (P, C), or (P, 1), or None: the mean of both.
    base: (P, C).
    weighs_local: Whether ``local`` is what the gate weighs, or ``distant``.
    eps: Of the norm.

Returns:
    (P, C), in the dtype of the base.
"""
