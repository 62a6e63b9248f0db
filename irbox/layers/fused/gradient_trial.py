"""Every kernel of a backward pass on small maps, beside its twin, as in `trial`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from irbox.layers.fused import gradient_operators as operators
from irbox.layers.fused import gradient_twins as twins
from irbox.layers.fused import mamba_operators, torch_twins
from irbox.layers.fused.trial import SIZE, Call, differing, drawing

SUMMED = {
    operators.depthwise_gradient: (1, 2),
    operators.norm_gradient: (2,),
    operators.column_sums: (0,),
    mamba_operators.causal_gradient: (1,),
}
"""Which answers of an operator are parts of sums: how the pixels are shared is free."""


def problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """Try the kernels: which one differs from torch, or None where all agree."""
    return differing(calls(dtype), read, device, dtype)


def calls(dtype: torch.dtype) -> Iterator[Call]:
    """Give operators, their twins, and arguments."""
    (height, width), draw, halves = SIZE, drawing(dtype), dtype == torch.bfloat16
    pixels = 2 * height * width
    wide, of_wide = (draw(pixels, 2, 64, as_map=True) for _ in range(2))
    for one in (wide, of_wide):
        one[:, :, 50:] = 0
    wide, of_wide, taps = wide.flatten(1), of_wide.flatten(1), draw(100, 9)
    for bias, of_gated in ((draw(100), of_wide[:, :64]), (None, draw(pixels, 50, as_map=True))):
        yield operators.gate_gradient, twins.gate_gradient, (
            wide, taps, bias, of_gated, height, width,
        )  # fmt: skip
    yield operators.depthwise_gradient, twins.depthwise_gradient, (
        wide, of_wide, taps, True, 2, height, width,
    )  # fmt: skip
    yield operators.depthwise_gradient, twins.depthwise_gradient, (
        wide[:, :40], of_wide[:, :40], draw(40, 9), False, 1, height, width,
    )  # fmt: skip
    x, of_normed = draw(pixels, 40, as_map=True) + 1, draw(pixels, 40, as_map=True)
    for shift in (draw(40), None):
        yield operators.norm_gradient, twins.norm_gradient, (
            x, of_normed, draw(40), shift, draw(pixels, 40, as_map=True), 1e-5, halves,
        )  # fmt: skip
    query, key = (draw(pixels, 40, as_map=True) for _ in range(2))
    sums, squares = torch_twins.gram(query, key, 2, 2)
    for projection, rows in ((draw(24, 40), 24), (None, 40)):
        yield operators.attention_matrix_gradient, twins.attention_matrix_gradient, (
            sums, squares, draw(2), projection, draw(2, rows, 40), halves,
        )  # fmt: skip
    both = draw(pixels, 120, as_map=True)
    for joint, query, key in ((True, both[:, :40], both[:, 40:80]), (False, x, both[:, :40])):
        yield operators.query_key_gradient, twins.query_key_gradient, (
            query, key, draw(2, 2, 20, 20, as_map=True), draw(2, 2, 2, 20), joint,
        )  # fmt: skip
    gate = draw(pixels, 64, as_map=True).sigmoid()[:, :40]
    yield operators.column_sums, twins.column_sums, (both[:, 40:80],)
    yield operators.gating_gradient, twins.gating_gradient, (of_normed, x, gate)
    for shift in (draw(40), None):
        yield mamba_operators.causal_gradient, twins.causal_gradient, (
            both[:, :40], draw(40, 4), shift, of_normed, height * width,
        )  # fmt: skip


def read(operator: Callable[..., Any], arguments: tuple[Any, ...], answer: Any) -> list[Tensor]:
    """Give what is promised of an answer, on the CPU."""
    if operator is operators.query_key_gradient:  # memory for the values alone is given
        dim = arguments[0].shape[1]
        return [answer[0][:, : 2 * dim].cpu(), answer[1][:, :dim].cpu()]
    summed = SUMMED.get(operator, ())
    if isinstance(answer, Tensor):
        answer = (answer,)
    return [one.sum(0).cpu() if n in summed else one.cpu() for n, one in enumerate(answer)]
