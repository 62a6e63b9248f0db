"""The selective scan as a loop over chunks: operators that other programs have, for exports.

The arithmetic is that of `torch_scan.scan_forward` in steps. torch's ``scan`` becomes ONNX's
``Scan``; its body holds the steps of a chunk one after the other, so that what a program pays per
turn of a loop is paid once for a chunk, and memory is bounded by a chunk.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan_op

from irbox.layers.selective_scan.torch_scan import time_step
from irbox.layers.standard_operators import counted

STEPS = 32
"""Per turn of the loop."""
MOST_TURNS = 2**24


def scan(
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
) -> Tensor:
    """Scan time-major float32 tensors, described by `torch_scan.scan_forward`: (B, L, C)."""
    batch, length, channels = u.shape
    step, _ = time_step(delta, bias, softplus)
    turns = counted((length + STEPS - 1) // STEPS, 1, MOST_TURNS)
    # A step of no time changes no state: what is added at the end does no harm.
    missing = turns * STEPS - length
    torch._check(missing >= 0)

    def cut(x: Tensor) -> Tensor:
        """Cut (B, L, ...) into turns, (turns, B, STEPS, ...)."""
        whole = F.pad(x, (0, 0, 0, missing))
        return whole.reshape(batch, turns, STEPS, x.shape[2]).transpose(0, 1)

    start = u.new_zeros(batch, *rates.shape)
    sequences = [cut(step), cut(step * u), cut(b), cut(c)]
    _, answers = scan_op(_chunk, [start], sequences, (rates,))
    y: Tensor = answers.transpose(0, 1).reshape(batch, turns * STEPS, channels)[:, :length]
    y = y if skip is None else y + skip * u
    return y if gate is None else y * F.silu(gate)


def _chunk(
    state: Tensor, step: Tensor, entered: Tensor, writes: Tensor, reads: Tensor, rates: Tensor
) -> tuple[Tensor, Tensor]:
    """Run a chunk from a state (B, N, C): the state at its end, and its answers (B, T, C)."""
    decays = (step[:, :, None] * rates).exp().unbind(1)
    inputs = (entered[:, :, None] * writes[..., None]).unbind(1)
    states = []
    for decay, value in zip(decays, inputs, strict=True):
        state = decay * state + value
        states.append(state)
    return state, (reads[:, :, None] @ torch.stack(states, 1)).squeeze(2)
