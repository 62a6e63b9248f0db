"""The kernels as functions of tensors."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.library import LANES

KINDS = {torch.float32: 'float32', torch.bfloat16: 'bfloat16'}


def taps(weight: Tensor) -> Tensor:
    """Lay out a depthwise kernel as the kernels read it: (C, 1, 3, 3) -> (9, C), float32."""
    return weight.flatten(1).t().float().contiguous()


def gate(
    library: ctypes.CDLL, window: Tensor, weight: Tensor, bias: Tensor | None, margin: bool
) -> Tensor:
    """Convolve depthwise, then ``gelu`` of the first half of the channels times the second.

    Args:
        library: See ``native``.
        window: (B, rows, W, 2 C), contiguous, C a multiple of 16; float32 or bfloat16.
        weight: (9, 2 C), see ``taps``; of bfloat16 maps its values are bfloat16 as well.
        bias: (2 C,), float32, or None.
        margin: Whether the window has a row above and one below those that are asked for; else
            zeros are there.

    Returns:
        (B, rows, W, C), with a margin two rows fewer.
    """
    batch, height, width, channels = window.shape
    rows = height - 2 * margin
    answer = window.new_empty(batch, rows, width, channels // 2)
    _check(window, weight, bias, whole=channels // 2)
    getattr(library, f'gate_{KINDS[window.dtype]}')(
        *_strip(window, rows, margin), _at(weight), _at(bias), _at(answer), _threads()
    )
    return answer


def attend(
    library: ctypes.CDLL,
    window: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margin: bool,
    dim: int,
    values: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Convolve depthwise a map of queries, keys and values side by side, and take them apart.

    Args:
        library: See ``native``.
        window: (B, rows, W, C), contiguous; the first ``3 dim`` channels are read.
        weight: (9, C), see ``taps``.
        bias: (C,), float32, or None.
        margin: See ``gate``.
        dim: Channels of the queries, a multiple of 16.
        values: (B, rows, W, dim), contiguous, written to, where they are wanted.

    Returns:
        Queries and keys, (B, rows, W, 2 dim), and the sums of their squares over the pixels,
        (B, 2 dim), float32.
    """
    batch, height, width, _ = window.shape
    rows = height - 2 * margin
    both = window.new_empty(batch, rows, width, 2 * dim)
    squares = window.new_empty(batch, 2 * dim, dtype=torch.float32)
    _check(window, weight, bias, whole=dim)
    assert values is None or values.is_contiguous()
    assert values is None or values.shape == (batch, rows, width, dim)
    getattr(library, f'attend_{KINDS[window.dtype]}')(
        *_strip(window, rows, margin), dim, _at(weight), _at(bias), _at(both), _at(values),
        _at(squares), _threads(),
    )  # fmt: skip
    return both, squares


def mask(
    library: ctypes.CDLL,
    window: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margin: bool,
    answer: Tensor,
) -> None:
    """Convolve depthwise, then the sigmoid.

    Args:
        library: See ``native``.
        window: (B, rows, W, C), contiguous; the first ``dim`` channels are read.
        weight: (9, C), see ``taps``.
        bias: (C,), float32, or None.
        margin: See ``gate``.
        answer: (B, rows, W, dim), contiguous, written to; ``dim`` is a multiple of 16.
    """
    batch, height, width, _ = window.shape
    rows, dim = height - 2 * margin, answer.shape[-1]
    _check(window, weight, bias, whole=dim)
    assert answer.is_contiguous() and answer.shape == (batch, rows, width, dim)
    assert answer.dtype == window.dtype and dim <= window.shape[-1]
    getattr(library, f'mask_{KINDS[window.dtype]}')(
        *_strip(window, rows, margin), dim, _at(weight), _at(bias), _at(answer), _threads()
    )


def gate_gradient(
    library: ctypes.CDLL,
    window: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margin: bool,
    of_answer: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute ``gate`` once more, and its gradients.

    Args:
        library: See ``native``.
        window: See ``gate``.
        weight: The same.
        bias: The same.
        margin: The same.
        of_answer: (B, rows, W, C), the gradient of ``gate``'s answer, contiguous, in the window's
            dtype.

    Returns:
        ``gate``'s answer, (B, rows, W, C), and what ``depthwise_gradient`` gives.
    """
    batch, height, width, channels = window.shape
    rows = height - 2 * margin
    _check(window, weight, bias, whole=channels // 2)
    assert of_answer.shape == (batch, rows, width, channels // 2)
    assert of_answer.is_contiguous() and of_answer.dtype == window.dtype
    answer, of_window = torch.empty_like(of_answer), torch.empty_like(window)
    found = window.new_empty(10, channels, dtype=torch.float32)
    getattr(library, f'gate_gradient_{KINDS[window.dtype]}')(
        *_strip(window, rows, margin), _at(weight), _at(bias), _at(of_answer), _at(answer),
        _at(of_window), _at(found), _threads(),
    )  # fmt: skip
    return answer, of_window, found[:9].t().reshape(channels, 1, 3, 3), found[9]


def depthwise_gradient(
    library: ctypes.CDLL, window: Tensor, weight: Tensor, margin: bool, of_answer: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Differentiate a depthwise convolution.

    Args:
        library: See ``native``.
        window: (B, rows, W, C), contiguous, C a multiple of 16; float32 or bfloat16.
        weight: (9, C), see ``taps``.
        margin: See ``gate``.
        of_answer: The gradient of the convolved map, contiguous, in the window's dtype.

    Returns:
        The gradients of the window, of its shape; of the weight, (C, 1, 3, 3), and of the bias,
        (C,), float32.
    """
    batch, height, width, channels = window.shape
    rows = height - 2 * margin
    _check(window, weight, None, whole=channels)
    assert of_answer.shape == (batch, rows, width, channels)
    assert of_answer.is_contiguous() and of_answer.dtype == window.dtype
    of_window = torch.empty_like(window)
    found = window.new_empty(10, channels, dtype=torch.float32)
    getattr(library, f'depthwise_gradient_{KINDS[window.dtype]}')(
        *_strip(window, rows, margin), _at(weight), _at(of_answer), _at(of_window), _at(found),
        _threads(),
    )  # fmt: skip
    return of_window, found[:9].t().reshape(channels, 1, 3, 3), found[9]


def normalize(
    library: ctypes.CDLL,
    pixels: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    eps: float,
    dtype: torch.dtype,
) -> Tensor:
    """``LayerNorm2d`` of pixels (..., C), contiguous, C a multiple of 16, in ``dtype``."""
    answer = torch.empty_like(pixels, dtype=dtype)
    channels = pixels.shape[-1]
    _check(pixels, weight, bias, whole=channels)
    getattr(library, f'normalize_{KINDS[pixels.dtype]}_{KINDS[dtype]}')(
        _at(pixels), pixels.numel() // channels, channels, _at(weight), _at(bias), eps,
        _at(answer), _threads(),
    )  # fmt: skip
    return answer


def _strip(window: Tensor, rows: int, margin: bool) -> tuple[int | None, ...]:
    batch, _, width, channels = window.shape
    return _at(window), batch, rows, width, channels, int(margin)


def _check(x: Tensor, *parameters: Tensor | None, whole: int) -> None:
    assert x.is_contiguous() and not whole % LANES and not x.shape[-1] % LANES
    for one in parameters:
        assert one is None or (one.is_contiguous() and one.dtype == torch.float32)
        assert one is None or one.shape[-1] == x.shape[-1]


def _at(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


def _threads() -> int:
    return torch.get_num_threads()
