"""Every kernel on small maps, beside its twin: what a device must pass before it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from irbox.layers.fused import mamba_operators, operators, routing_operators
from irbox.layers.fused import torch_twins as twins
from irbox.triton_kernels.sizes import ROUTES

Call = tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
Read = Callable[[Callable[..., Any], tuple[Any, ...], Any], list[Tensor]]
"""See ``read``."""
SIZE = 7, 9
"""Height and width of the maps, two of them: no multiple of a tile."""
TOLERANCE = {torch.float32: 5e-3, torch.bfloat16: 3e-2}
"""Largest difference over the largest value. Torch may be told to multiply in TF32."""


def problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """Try the kernels: which one differs from torch, or None where all agree."""
    return differing(chain(calls(dtype), routing_calls(dtype)), read, device, dtype)


def differing(
    calls: Iterable[Call], read: Read, device: torch.device, dtype: torch.dtype
) -> str | None:
    """Say which of some kernels differs from its twin, or None where all agree."""
    for operator, twin, arguments in calls:
        moved = [one.to(device) if isinstance(one, Tensor) else one for one in arguments]
        found = read(operator, arguments, operator(*moved))
        if difference(found, read(operator, arguments, twin(*arguments))) > TOLERANCE[dtype]:
            return f'the Triton kernel of {operator} gives other numbers than torch'
    return None


def calls(dtype: torch.dtype) -> Iterator[Call]:
    """Give operators, their twins, and arguments: for Restormer-like layers, every part of them."""
    draw = drawing(dtype)
    height, width = SIZE
    pixels, halves = 2 * height * width, dtype == torch.bfloat16
    x = draw(pixels, 40, as_map=True) + 1
    none: tuple[None, ...] = (None,) * 8
    weights = 0.1 * draw(33, 40), draw(33), draw(40), draw(40)
    yield operators.project, twins.project, (
        x, *weights, 0.1 * draw(33, 40), draw(33), *none[:3], 1, 1e-5, halves, False,
    )  # fmt: skip
    yield operators.project, twins.project, (
        x, 0.1 * draw(2, 24, 40), draw(24), *none[:4],
        draw(pixels, 24), draw(pixels, 24, as_map=True), draw(24), 0, 0.0, halves, False,
    )  # fmt: skip
    yield operators.project, twins.project, (
        x, 0.1 * draw(70, 40), draw(2, 70), draw(40), *none[:6], 2, 1e-5, halves, False,
    )  # fmt: skip
    uneven = 0.1 * draw(24, 25)
    if halves:
        yield operators.halve, twins.halve, (uneven,)
    rows = draw(pixels, 32, as_map=True)
    rows[:, 25:] = 0
    matrix = twins.halve(uneven) if halves else uneven
    yield operators.project, twins.project, (rows, matrix, *none, 0, 0.0, halves, False)
    if halves:
        gate, value = x[:, :24].sigmoid(), draw(pixels, 48, as_map=True)[:, 24:]
        matrices = 0.1 * draw(2, 24, 24).to(dtype), draw(24)
        for base in (draw(pixels, 24, as_map=True), draw(pixels, 24)):
            yield operators.gated_product, twins.gated_product, (
                value, *matrices, gate, 0.1 * draw(24, 24), draw(24), base,
            )  # fmt: skip
    wide = draw(pixels, 2, 64, as_map=True)
    wide[:, :, 50:] = 0
    yield operators.depthwise, twins.depthwise, (
        wide.flatten(1), draw(100, 9), draw(100), height, width, True, 2,
    )  # fmt: skip
    yield operators.depthwise, twins.depthwise, (x, draw(40, 9), None, height, width, False, 1)
    key = draw(pixels, 40, as_map=True)
    yield operators.gram, twins.gram, (x, key, 2, 2)
    sums, squares = twins.gram(x, key, 2, 2)
    for projection, by_head in ((draw(24, 40), False), (None, True)):
        yield operators.attention_matrix, twins.attention_matrix, (
            sums, squares, draw(2), projection, by_head, halves,
        )  # fmt: skip


def routing_calls(dtype: torch.dtype) -> Iterator[Call]:
    """Do the same for routers, experts and Mamba."""
    draw = drawing(dtype)
    height, width = SIZE
    pixels, halves = 2 * height * width, dtype == torch.bfloat16
    logits = draw(pixels, 3)
    for mode in ROUTES.values():
        yield routing_operators.route, twins.route, (logits, draw(2, 3), 2, 2, mode)
    weights = twins.route(logits, None, 2, 2, 0)[0]
    weights[:5, 0] = 0  # some ask one expert alone
    maps = weights.view(2, height, width, 3).permute(0, 3, 1, 2)
    yield routing_operators.expert_order, twins.expert_order, (maps, 2)
    order, places, experts = twins.expert_order(maps, 2)
    x = draw(pixels, 20, as_map=True)
    first = x, order, experts, draw(3, 35, 20), draw(3, 35), True, halves
    yield routing_operators.ask_experts, twins.ask_experts, first
    hidden = twins.ask_experts(*first)
    second = hidden, order, experts, 0.1 * draw(3, 20, 35), draw(3, 20), False, halves
    yield routing_operators.ask_experts, twins.ask_experts, second
    answers = twins.ask_experts(*second)
    shares = weights[:, :1].contiguous()
    for more in ((x, shares, 2 * x, True), (None, None, None, False)):
        yield (
            routing_operators.mix_experts,
            twins.mix_experts,
            (answers, places, experts, maps, *more),
        )
    taps = draw(20, 4), draw(20), height * width
    yield mamba_operators.causal, twins.causal, (x, *taps)
    lines = draw(pixels, 36, as_map=True)
    yield mamba_operators.scan_rows, twins.scan_rows, (
        x[:, :6], 2 * x[:, 6:12] - 1, draw(6, 16), lines[:, :16], lines[:, 16:32], draw(6),
        2 * x[:, 12:18], height * width,
    )  # fmt: skip
    norm = draw(20), draw(20)
    gate = draw(pixels, 20, as_map=True).sigmoid()
    for share, weighs_local in ((gate, True), (gate[:, :1], False), (None, True)):
        yield (
            mamba_operators.blend,
            twins.blend,
            (x, x * x, *norm, share, 2 * x, weighs_local, 1e-5),
        )


def drawing(dtype: torch.dtype) -> Callable[..., Tensor]:
    """Give a function of a size that draws numbers, in the dtype where ``as_map`` says so."""
    # A generator of its own: a trial must not move the random state of a run.
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int, as_map: bool = False) -> Tensor:
        values = torch.randn(size, generator=generator)
        return values.to(dtype) if as_map else values

    return draw


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """Give the largest difference of any answer over its largest value."""
    shares = [
        float((a.float() - b.float()).abs().max() / b.float().abs().max().clamp_min(1e-6))
        for a, b in zip(found, expected, strict=True)
        if b.numel()
    ]
    # What is not a number is no agreement.
    return max(share if share == share else torch.inf for share in shares)


def read(operator: Callable[..., Any], arguments: tuple[Any, ...], answer: Any) -> list[Tensor]:
    """Give what is promised of an answer, on the CPU."""
    parts = [one.cpu() for one in (answer if isinstance(answer, tuple | list) else [answer])]
    if operator is operators.gram:  # how the pixels are shared is free
        return [one.sum(1) for one in parts]
    if operator is routing_operators.route:
        return [*parts[:3], parts[3].sum(0)]
    if operator is routing_operators.expert_order:  # what is not used is left as it was
        order, places, experts = parts
        rows = experts.repeat_interleave(order.shape[1] // experts.shape[1], 1)
        return [order.where(rows >= 0, -1), places, experts]
    if operator is routing_operators.ask_experts:
        return [parts[0][arguments[1].flatten() >= 0]]
    return parts
