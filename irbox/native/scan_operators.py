"""The kernels for sequences as functions of tensors, (B, L, C) in float32, C a multiple of 16.

Sequences may be parts of wider ones: rows of channels at any distance from one another.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.library import LANES

WIDTHS = 2, 3, 4
"""Of a convolution."""
Tensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]
"""Of a scan: u, delta, rates, b, c, skip, gate and bias."""


def causal(library: ctypes.CDLL, u: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve depthwise over time, looking back only, then SiLU.

    Args:
        library: See ``native``.
        u: (B, L, C).
        weight: (K, C), contiguous, the step's own tap last; K of ``WIDTHS``.
        bias: (C,), or None.

    Returns:
        (B, L, C).
    """
    answer = u.new_empty(u.shape)
    rows, given = _causal(u, weight, bias)
    library.causal_float32(*_at(rows), *given, answer.data_ptr(), torch.get_num_threads())
    return answer


def causal_gradient(
    library: ctypes.CDLL, u: Tensor, weight: Tensor, bias: Tensor | None, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Differentiate ``causal``.

    Args:
        library: See ``native``.
        u: See ``causal``.
        weight: The same.
        bias: The same.
        grad: (B, L, C), of its answer.

    Returns:
        The gradients of ``u``, (B, L, C), of the weight, (K, C), and of the bias, (C,).
    """
    of_u = u.new_empty(u.shape)
    found = u.new_empty(len(weight) + 1, u.shape[2])
    rows, given = _causal(u, weight, bias)
    of_answer = _rows(grad)
    library.causal_gradient_float32(
        *_at(rows), *given, *_at(of_answer), of_u.data_ptr(), found.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    return of_u, found[:-1], found[-1]


def scan_forward(
    library: ctypes.CDLL, tensors: Tensors, softplus: bool, chunk: int
) -> tuple[Tensor, Tensor]:
    """Do what ``irbox.layers.selective_scan.torch_scan.scan_forward`` does; see there.

    Args:
        library: See ``native``.
        tensors: Its first eight arguments.
        softplus: The same as there.
        chunk: The same.
    """
    u, rates = tensors[0], tensors[2]
    batch, length, channels = u.shape
    chunk = max(1, min(chunk, length))
    answer = u.new_empty(u.shape)
    kept = u.new_empty(batch, -(-length // chunk) + 1, len(rates), channels)
    held, given = _scan(tensors, softplus, chunk)
    library.scan_float32(*given, answer.data_ptr(), kept.data_ptr(), torch.get_num_threads())
    del held
    return answer, kept


def scan_backward(
    library: ctypes.CDLL, grad: Tensor, tensors: Tensors, softplus: bool, chunk: int, kept: Tensor
) -> list[Tensor | None]:
    """Do what ``irbox.layers.selective_scan.torch_scan.scan_backward`` does; see there.

    Args:
        library: See ``native``.
        grad: (B, L, C), of the answer.
        tensors: See ``scan_forward``.
        softplus: The same.
        chunk: The same.
        kept: Its second answer.
    """
    u, _, rates, _, _, skip, gate, bias = tensors
    (batch, length, channels), states = u.shape, len(rates)
    chunk = max(1, min(chunk, length))
    assert kept.is_contiguous()
    assert kept.shape == (batch, -(-length // chunk) + 1, states, channels)
    of_u, of_delta = u.new_empty(u.shape), u.new_empty(u.shape)
    of_gate = None if gate is None else u.new_empty(u.shape)
    of_steps = u.new_empty(2, batch, length, states)
    of_channels = u.new_empty(states + 2, channels)
    (held, given), of_answer = _scan(tensors, softplus, chunk), _rows(grad)
    library.scan_gradient_float32(
        *given, kept.data_ptr(), *_at(of_answer), of_u.data_ptr(), of_delta.data_ptr(),
        None if of_gate is None else of_gate.data_ptr(), of_steps.data_ptr(),
        of_channels.data_ptr(), torch.get_num_threads(),
    )  # fmt: skip
    del held
    # Copies: answers of an operator must not share their memory.
    of_b, of_c = (one.clone() for one in of_steps)
    of_rates, of_skip, of_bias = (
        one.clone() for one in (of_channels[:states], *of_channels[states:])
    )
    return [
        of_u, of_delta, of_rates, of_b, of_c, None if skip is None else of_skip, of_gate,
        None if bias is None else of_bias,
    ]  # fmt: skip


def _scan(
    tensors: Tensors, softplus: bool, chunk: int
) -> tuple[list[Tensor | None], list[int | None]]:
    """Give tensors that must live until the kernel is done, and what is said of them."""
    u, delta, rates, b, c, skip, gate, bias = tensors
    (batch, length, channels), states = u.shape, len(rates)
    assert not channels % LANES and delta.shape == u.shape and rates.shape[1] == channels
    assert b.shape == c.shape == (batch, length, states) and (gate is None or gate.shape == u.shape)
    assert all(one is None or one.shape == (channels,) for one in (skip, bias))
    sequences = [None if one is None else _rows(one) for one in (u, delta, b, c, gate)]
    whole = [None if one is None else one.contiguous() for one in (rates, skip, bias)]
    assert all(one is None or one.dtype == torch.float32 for one in whole)
    given = [number for one in sequences for number in _at(one)]
    given += [batch, length, channels, states]
    given += [None if one is None else one.data_ptr() for one in whole]
    return [*sequences, *whole], [*given, int(softplus), chunk]


def _causal(u: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, list[int | None]]:
    """Give the rows, which must live until the kernel is done, and what is said of them."""
    batch, length, channels = u.shape
    assert len(weight) in WIDTHS and not channels % LANES
    assert weight.shape[1] == channels and weight.is_contiguous() and weight.dtype == torch.float32
    assert bias is None or (bias.shape == (channels,) and bias.dtype == torch.float32)
    assert bias is None or bias.is_contiguous()
    at = None if bias is None else bias.data_ptr()
    return _rows(u), [batch, length, channels, len(weight), weight.data_ptr(), at]


def _rows(x: Tensor) -> Tensor:
    """Lay the rows of all images below one another, (B L, C); copied where they cannot be read."""
    assert x.dtype == torch.float32
    rows = x.flatten(0, 1)
    return rows if rows.stride(1) == 1 else rows.contiguous()


def _at(rows: Tensor | None) -> tuple[int | None, int]:
    return (None, 0) if rows is None else (rows.data_ptr(), rows.stride(0))
