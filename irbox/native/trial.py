"""Every kernel on small maps, beside its twin: what a compiler must pass before it is trusted."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from irbox.native import (
    expert_operators,
    image_layer_trial,
    image_parts,
    operators,
    products,
    scan_operators,
    scan_twins,
)
from irbox.native import torch_twins as twins
from irbox.native.convolutions import NUMBERS, convolve
from irbox.native.expert_operators import Perceptrons
from irbox.native.grouped import add_grouped_outer, grouped
from irbox.native.layer_trial import trials
from irbox.native.matrices import attention_matrix, attention_matrix_gradient
from irbox.native.norm_gradient import normalize_gradient
from irbox.native.routes import route
from irbox.native.total_norm import total_norm_by

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
        found = operators.attend(library, *given, 32, values)
        expected = twins.attend(*given, 32, twin_values)
        yield 'attend', [*found, values], [*expected, twin_values]
        operators.mask(library, *given, values)
        twins.mask(*given, twin_values)
        yield 'mask', [values], [twin_values]
        if taken := products.taken_at_once(library, dtype):
            # A pixel beyond whole tiles, and a vector of columns.
            pixels, matrix = draw(13, 32).to(dtype), draw(128, 32).to(dtype)
            times, plus = (None, None) if margin else (draw(13, 128).to(dtype) for _ in range(2))
            answer, opened = (torch.empty(13, 128, dtype=dtype) for _ in range(2))
            packed, factor = products.pack(matrix, taken), None if margin else draw(128)
            after = {'opened': opened, 'times': times, 'plus': plus, 'factor': factor}
            products.product(library, pixels, packed, bias, answer, squash=not margin, **after)
            found = twins.product(pixels, matrix, bias, not margin, times, plus, factor)
            yield 'product', [answer, opened], [*found]
            if not margin:
                gated = opened, draw(13, 128).to(dtype)
                of_value = torch.empty_like(answer)
                of_gated = products.open_gradient(library, pixels, packed, *gated, of_value)
                expected_gated = twins.open_gradient(pixels, matrix, *gated)
                yield 'open_gradient', [*of_gated, of_value], [*expected_gated]
            if dtype == torch.float32:
                # Rows that are read where they lie, or, a power of two apart, gathered.
                sums, left, right = draw(32, 64), draw(67, 512 if margin else 32), draw(67, 64)
                totals, left = draw(32), left[:, :32]
                expected_sums = [sums + left.t() @ right, totals + left.sum(0)]
                products.add_outer(library, left, right, sums, totals)
                yield 'add_outer', [sums, totals], expected_sums
        grad = draw(2, 5 - 2 * margin, 11, 128).to(dtype)
        half = grad[..., :64].contiguous()
        four = operators.gate_gradient(library, *given, half)
        yield 'gate_gradient', [*four], [*twins.gate_gradient(*given, half)]
        learned = window, weight, margin, grad
        three = operators.depthwise_gradient(library, *learned)
        yield 'depthwise_gradient', [*three], [*twins.depthwise_gradient(*learned)]
        pixels, scale = draw(13, 32).to(dtype), draw(32)
        shift = None if bias is None else draw(32)
        for to in {torch.bfloat16, dtype}:
            norm = pixels, scale, shift, 1e-5, to
            yield 'normalize', [operators.normalize(library, *norm)], [twins.normalize(*norm)]
        learned_norm = pixels.float(), scale, bias is not None, 1e-5, draw(13, 32).to(dtype)
        sums, base = torch.empty(13, 32), draw(13, 32)
        twin_sums = base.clone()
        of_both = normalize_gradient(library, *learned_norm, sums, base)
        expected_norm = twins.normalize_gradient(*learned_norm, twin_sums)
        yield 'normalize_gradient', [of_both, sums], [expected_norm, twin_sums]
    if products.taken_at_once(library, dtype):
        for keeps, rows in itertools.product({False, dtype == torch.float32}, (0, 2)):
            size = 2, 5, 7 if keeps else 29, 32  # wide enough to be cut where it is not kept
            yield from trials(library, draw, size, 2, rows, keeps, dtype, across=8)
    if dtype == torch.float32:
        yield from _sequences(library, draw)
        yield from _routed(library, draw)
        if image_parts.can_learn(library):
            yield from image_layer_trial.calls(library, draw)


def _sequences(
    library: ctypes.CDLL, draw: Callable[..., Tensor]
) -> Iterator[tuple[str, Answers, Answers]]:
    """The same of what computes in float32 alone."""
    both, between, grad = draw(2, 7, 160), draw(2, 7, 11), draw(2, 7, 80)
    (u, gate), b, c = both.chunk(2, dim=-1), between[..., 1:6], between[..., 6:]
    weight, bias, skip = draw(4, 80), draw(80), draw(80)
    given: tuple[Any, ...]
    for given in ((u, weight, bias), (u, weight[2:], None)):
        yield 'causal', [scan_operators.causal(library, *given)], [twins.causal(*given)]
        given = *given, grad
        found = scan_operators.causal_gradient(library, *given)
        yield 'causal_gradient', [*found], [*twins.causal_gradient(*given)]
    # Time steps on both sides of where softplus bends, and rates of states that fade.
    delta, rates, chunk = 3 * draw(2, 7, 80), -draw(5, 80).exp(), 3
    for rest in ((skip, gate, bias), (None, None, None)):
        softplus = rest[0] is not None
        tensors: Any = (u, delta if softplus else delta.exp(), rates, b, c, *rest)
        answers = scan_operators.scan_forward(library, tensors, softplus, chunk)
        yield 'scan', [*answers], [*scan_twins.scan_forward(tensors, softplus, chunk)]
        kept = answers[1]
        gradients = scan_operators.scan_backward(library, grad, tensors, softplus, chunk, kept)
        there = [one for one in gradients if one is not None]
        yield 'scan_gradient', there, scan_twins.scan_backward(grad, tensors, softplus)


def _routed(
    library: ctypes.CDLL, draw: Callable[..., Tensor]
) -> Iterator[tuple[str, Answers, Answers]]:
    """The same of experts, of which each pixel asks some."""
    pixels, grad, weights = draw(37, 48), draw(37, 48), draw(37, 3).relu()
    own = Perceptrons(draw(3, 64, 48), draw(3, 64), draw(3, 48, 64), draw(3, 48))
    for base in (None, pixels):
        given = pixels, weights, own, base
        yield 'experts', [expert_operators.experts(library, *given)], [twins.experts(*given)]
        # Each pixel asks one at least: the logarithm of nothing is minus infinity.
        given = pixels, weights.add(0.5 * (weights == 0).all(1, keepdim=True)), own, base
        logs = [expert_operators.experts(library, *given, log=True)]
        yield 'experts (log)', logs, [twins.experts(*given, log=True)]
        learned = pixels, weights, own, base is not None, grad
        *found, of_own = expert_operators.experts_gradient(library, *learned)
        *expected, of_twin = twins.experts_gradient(*learned)
        yield 'experts_gradient', [*found, *of_own], [*expected, *of_twin]
    norm = total_norm_by(library, [pixels, grad.t().contiguous()])
    yield 'squares', [norm], [torch.cat([pixels, grad]).norm()]
    for top_k in (2, 5):
        yield 'route', [*route(library, grad, top_k)], [*twins.route(grad, top_k)]
    # Fewer tiles than columns, and more.
    for size in ((1, 4, 6), (2, 8, 10)):
        for arrangement in NUMBERS:
            convolved = draw(*size, 32), draw(64, 32, 3, 3), arrangement
            yield 'convolve', [convolve(library, *convolved)], [twins.convolve(*convolved)]
    yield from _small(library, draw)


def _small(
    library: ctypes.CDLL, draw: Callable[..., Tensor]
) -> Iterator[tuple[str, Answers, Answers]]:
    """The same of matrices that each image has for itself."""
    pixels, matrices, total = draw(2, 19, 96), draw(2, 3, 32, 48), draw(2, 19, 144)
    expected = total + twins.grouped(pixels, matrices)
    grouped(library, pixels, matrices, total, adds=True)
    yield 'grouped', [total], [expected]
    sums, left, right = draw(2, 3, 32, 48), draw(2, 70, 96), draw(2, 70, 144)
    apart = left.view(2, 70, 3, 32), right.view(2, 70, 3, 48)
    expected = sums + torch.einsum('bpgm,bpgn->bgmn', *apart)
    add_grouped_outer(library, left, right, sums)
    yield 'grouped_outer', [sums], [expected]
    small = 3 * draw(2, 3, 10, 10), draw(2, 60).square() + 3, draw(3, 1, 1), draw(32, 30)
    matrix, grad = twins.attention_matrix(*small), draw(2, 30, 32)
    yield 'attention_matrix', [attention_matrix(library, *small)], [matrix]
    again, *found = attention_matrix_gradient(library, *small, grad)
    there = [one for one in found if one is not None]
    gradients = twins.attention_matrix_gradient(*small, grad)
    yield 'attention_matrix_gradient', [again, *there], [matrix, *gradients]
