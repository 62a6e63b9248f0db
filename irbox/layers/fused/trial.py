"""Every kernel on small maps, beside its twin: what a device must pass before it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from irbox.layers.fused import operators
from irbox.layers.fused import torch_twins as twins

Call = tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
SIZE = 7, 9
"""Height and width of the maps, two of them: no multiple of a tile."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 3e-2}
"""Largest difference over the largest value. Torch may be told to multiply in TF32."""


def problem(device: torch.device) -> str | None:
    """Try the kernels: which one differs from torch, or None where all agree."""
    for dtype, tolerance in TOLERANCE.items():
        for operator, twin, arguments in calls(dtype):
            moved = (
                one.to(device) if isinstance(one, Tensor) else one
                for one in arguments
            )  # fmt: skip
            found, expected = operator(*moved), twin(*arguments)
            if not _agree(operator, found, expected, tolerance):
                return f'the Triton kernel of {operator} gives other numbers than torch'
    return None


def calls(dtype: torch.dtype) -> Iterator[Call]:
    """Give operators, their twins, and arguments that reach every part of the kernels."""
    # A generator of its own: a trial must not move the random state of a run.
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int, as_map: bool = False) -> Tensor:
        values = torch.randn(size, generator=generator)
        return values.to(dtype) if as_map else values

    height, width = SIZE
    pixels, halves = 2 * height * width, dtype == torch.bfloat16
    x = draw(pixels, 40, as_map=True) + 1
    none: tuple[None, ...] = (None,) * 9
    weights = 0.1 * draw(33, 40), draw(33), draw(40), draw(40)
    yield operators.project, twins.project, (
        x, *weights, None, None, 0.1 * draw(33, 40), draw(33), *none[:3], 0, 0, 1, 1e-5, halves,
    )  # fmt: skip
    yield operators.project, twins.project, (
        x, 0.1 * draw(2, 24, 40), draw(24), None, None, draw(40, 9), draw(40), None, None,
        draw(pixels, 24), draw(pixels, 24, as_map=True), draw(24), height, width, 0, 0.0, halves,
    )  # fmt: skip
    yield operators.project, twins.project, (
        x, 0.1 * draw(70, 40), draw(2, 70), draw(40), *none[:8], 0, 0, 2, 1e-5, halves,
    )  # fmt: skip
    wide = draw(pixels, 2, 64, as_map=True)
    wide[:, :, 50:] = 0
    yield operators.depthwise, twins.depthwise, (
        wide.flatten(1), draw(100, 9), draw(100), height, width, True, 2,
    )  # fmt: skip
    yield operators.depthwise, twins.depthwise, (x, draw(40, 9), None, height, width, False, 1)
    taps = draw(40, 9), draw(40), draw(40, 9), draw(40)
    yield operators.gram, twins.gram, (x, 2 * x, *taps, height, width, 2)
    sums, squares = twins.gram(x, 2 * x, *taps, height, width, 2)
    for projection, by_head in ((draw(24, 40), False), (None, True)):
        yield operators.attention_matrix, twins.attention_matrix, (
            sums, squares, draw(2), projection, by_head, halves,
        )  # fmt: skip


def _agree(operator: Callable[..., Any], found: Any, expected: Any, tolerance: float) -> bool:
    mine, theirs = (one if isinstance(one, tuple | list) else (one,) for one in (found, expected))
    if operator is operators.gram:  # whose parts are free
        mine, theirs = ([one.sum(1) for one in side] for side in (mine, theirs))
    return all(
        bool((a.cpu().float() - b.float()).abs().max() <= tolerance * b.float().abs().max())
        for a, b in zip(mine, theirs, strict=True)
    )
