"""Every kernel on small maps, beside its twin: what a compiler must pass before it is trusted."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import torch
from torch import Tensor

from irbox.layers.native import operators, products
from irbox.layers.native import torch_twins as twins

Answers = list[Tensor]
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference over the largest value."""


@torch.inference_mode()
def problem(library: ctypes.CDLL) -> str | None:
    """Try the kernels: which one differs from torch, or None where all agree."""
    # Under autocast the twins would compute in bfloat16.
    with torch.autocast('cpu', enabled=False):
        for dtype in TOLERANCE:
            for name, found, expected in _calls(library, dtype):
                for one, other in zip(found, expected, strict=True):
                    difference = (one.float() - other.float()).abs().amax()
                    # Written so that what is no number does not pass.
                    if not difference <= TOLERANCE[one.dtype] * other.float().abs().amax():
                        return f'the kernel {name} gives other numbers than torch in {dtype}'
    return None


def _calls(library: ctypes.CDLL, dtype: torch.dtype) -> Iterator[tuple[str, Answers, Answers]]:
    """Give each kernel's name, its answers and those of its twin."""
    # A generator of its own: a trial must not move the random state of a run.
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    for margin, bias in ((True, None), (False, draw(128))):
        # Values as GELU meets them, beyond where it is straight.
        window, weight = (3 * draw(2, 5, 11, 128)).to(dtype), draw(9, 128).to(dtype).float()
        given = window, weight, bias, margin
        yield 'gate', [operators.gate(library, *given)], [twins.gate(*given)]
        values, twin_values = (window.new_empty(2, 5 - 2 * margin, 11, 32) for _ in range(2))
        found = operators.attend(library, *given, values)
        expected = twins.attend(*given, twin_values)
        yield 'attend', [*found, values], [*expected, twin_values]
        operators.mask(library, *given, values)
        twins.mask(*given, twin_values)
        yield 'mask', [values], [twin_values]
        if taken := products.taken_at_once(library, dtype):
            # A pixel beyond whole tiles, and a vector of columns.
            pixels, matrix = draw(13, 32).to(dtype), draw(128, 32).to(dtype)
            times, plus = (None, None) if margin else (draw(13, 128).to(dtype) for _ in range(2))
            answer = torch.empty(13, 128, dtype=dtype)
            packed, after = products.pack(matrix, taken), {'times': times, 'plus': plus}
            products.product(library, pixels, packed, bias, answer, squash=not margin, **after)
            twin_answer = twins.product(pixels, matrix, bias, not margin, times, plus)
            yield 'product', [answer], [twin_answer]
        grad = draw(2, 5 - 2 * margin, 11, 128).to(dtype)
        half = grad[..., :64].contiguous()
        both = operators.gate_gradient(library, *given, half)
        yield 'gate_gradient', [*both], [*twins.gate_gradient(*given, half)]
        learned = window, weight, margin, grad
        three = operators.depthwise_gradient(library, *learned)
        yield 'depthwise_gradient', [*three], [*twins.depthwise_gradient(*learned)]
        pixels, scale = draw(13, 32).to(dtype), draw(32)
        shift = None if bias is None else draw(32)
        for to in {torch.bfloat16, dtype}:
            norm = pixels, scale, shift, 1e-5, to
            yield 'normalize', [operators.normalize(library, *norm)], [twins.normalize(*norm)]
