"""Products of pixels with small matrices, by the kernels."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.library import LANES
from irbox.native.operators import KINDS


def taken_at_once(library: ctypes.CDLL, dtype: torch.dtype) -> int:
    """Say how many of a pixel's values an instruction takes; 0 where torch multiplies faster."""
    there = getattr(library, f'multiplies_{KINDS[dtype]}')()
    return (2 if dtype == torch.bfloat16 else 1) if there else 0


def pack(weight: Tensor, taken: int) -> Tensor:
    """Lay out a matrix as the kernel reads it: (N, K) -> (K / taken, N, taken), contiguous."""
    made, given = weight.shape
    return weight.reshape(made, given // taken, taken).transpose(0, 1).contiguous()


def product(
    library: ctypes.CDLL,
    pixels: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    answer: Tensor,
    *,
    squash: bool = False,
    opened: Tensor | None = None,
    times: Tensor | None = None,
    plus: Tensor | None = None,
    factor: Tensor | None = None,
) -> None:
    """Multiply pixels by a matrix, and go on with the answer.

    All maps are contiguous, or (pixels, channels) with each pixel's values side by side.

    Args:
        library: See ``native``; ``taken_at_once`` is not 0.
        pixels: (..., K); float32 or bfloat16.
        packed: See ``pack``; N is a multiple of 16.
        bias: (N,), float32, added to the product.
        answer: (..., N), written to, not where the pixels are.
        squash: Take the sigmoid of that.
        opened: (..., N), written to, where what there is now is to be kept.
        times: (..., N), multiplied by then. It may be the answer, as ``plus``.
        plus: (..., N), added in the end.
        factor: (N,), float32, what that is multiplied by.
    """
    given, made = packed.shape[0] * packed.shape[2], packed.shape[1]
    count = pixels.numel() // given
    assert pixels.shape[-1] == given and not made % LANES
    assert packed.is_contiguous() and packed.dtype == pixels.dtype
    for shift in (bias, factor):
        assert shift is None or (shift.is_contiguous() and shift.dtype == torch.float32)
    for one in (answer, opened, times, plus):
        assert one is None or (one.shape[-1] == made and one.numel() == count * made)
        assert one is None or one.dtype == pixels.dtype
    getattr(library, f'product_{KINDS[pixels.dtype]}')(
        *_rows(pixels), count, given, packed.data_ptr(), made,
        None if bias is None else bias.data_ptr(), int(squash), *_rows(opened), *_rows(times),
        *_rows(plus), None if factor is None else factor.data_ptr(), *_rows(answer),
        torch.get_num_threads(),
    )  # fmt: skip


def open_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    packed: Tensor,
    opened: Tensor,
    value: Tensor,
    of_value: Tensor,
) -> tuple[Tensor, Tensor]:
    """Multiply pixels by a matrix: the gradient of ``opened * value``, a sigmoid times a map.

    Args:
        library: See ``native``; ``taken_at_once`` is not 0.
        pixels: (..., K), see ``product``.
        packed: See ``pack``; N is a multiple of 16.
        opened: (..., N), contiguous, in the dtype of the pixels.
        value: The same.
        of_value: The same, written to: the value's gradient.

    Returns:
        ``opened * value``, and the gradient of what the sigmoid was taken of.
    """
    given, made = packed.shape[0] * packed.shape[2], packed.shape[1]
    count = pixels.numel() // given
    assert pixels.shape[-1] == given and not made % LANES
    assert packed.is_contiguous() and packed.dtype == pixels.dtype
    for one in (opened, value, of_value):
        assert one.is_contiguous() and one.dtype == pixels.dtype and one.numel() == count * made
    both, of_opened = torch.empty_like(value), torch.empty_like(value)
    getattr(library, f'open_gradient_{KINDS[pixels.dtype]}')(
        *_rows(pixels), count, given, packed.data_ptr(), made, opened.data_ptr(), value.data_ptr(),
        both.data_ptr(), of_value.data_ptr(), of_opened.data_ptr(), torch.get_num_threads(),
    )  # fmt: skip
    return both, of_opened


def lies_in_rows(x: Tensor) -> bool:
    """Tell whether the kernel can read or write these pixels as they are."""
    return x.is_contiguous() or (x.dim() == 2 and x.stride(1) == 1)


def _rows(x: Tensor | None) -> tuple[int | None, int]:
    """Where pixels are, and how far one is from the next."""
    if x is None:
        return None, 0
    assert lies_in_rows(x)
    return x.data_ptr(), x.shape[-1] if x.is_contiguous() else x.stride(0)


def add_outer(
    library: ctypes.CDLL, left: Tensor, right: Tensor, sums: Tensor, totals: Tensor | None = None
) -> None:
    """Add ``left^T right`` to sums, all float32.

    Args:
        library: See ``native``; ``taken_at_once`` is not 0.
        left: (pixels, M), each pixel's values side by side, M a multiple of 8.
        right: (pixels, N), the same, N a multiple of 16.
        sums: (M, N), contiguous, added to.
        totals: (M,), contiguous, what ``left`` itself is added to, summed over the pixels.
    """
    (count, of_left), of_right = left.shape, right.shape[1]
    assert left.stride(1) == right.stride(1) == 1 and len(right) == count
    assert sums.is_contiguous() and sums.shape == (of_left, of_right)
    assert not of_left % 8 and not of_right % LANES
    assert left.dtype == right.dtype == sums.dtype == torch.float32
    assert totals is None or (totals.is_contiguous() and totals.shape == (of_left,))
    assert totals is None or totals.dtype == torch.float32
    library.outer_float32(
        left.data_ptr(), left.stride(0), right.data_ptr(), right.stride(0), count, of_left,
        of_right, sums.data_ptr(), None if totals is None else totals.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
