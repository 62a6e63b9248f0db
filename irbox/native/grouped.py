"""The kernel of products with matrices of each image's own as a function of tensors."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.library import LANES, native


def can_be_grouped(*tensors: Tensor) -> bool:
    """Tell whether the kernels multiply such maps: float32 on a CPU, of whole vectors."""
    alike = all(one.dtype == torch.float32 and one.device.type == 'cpu' for one in tensors)
    return alike and not any(one.shape[-1] % LANES for one in tensors) and native() is not None


def grouped(
    library: ctypes.CDLL, pixels: Tensor, matrices: Tensor, out: Tensor, adds: bool = False
) -> None:
    """Multiply each group of channels by a matrix that the image has for it.

    Args:
        library: See ``native``.
        pixels: (B, P, groups * K), each pixel's values side by side; float32.
        matrices: (B, groups, K, N), N a multiple of 16.
        out: (B, P, groups * N), as the pixels; written to.
        adds: Add to what is there instead.
    """
    batch, number, given, made = matrices.shape
    count = pixels.shape[1]
    matrices = matrices.contiguous()
    assert not made % LANES and pixels.dtype == matrices.dtype == out.dtype == torch.float32
    assert pixels.shape == (batch, count, number * given) and pixels.stride(2) == 1
    assert out.shape == (batch, count, number * made) and out.stride(2) == 1
    library.grouped_float32(
        pixels.data_ptr(), pixels.stride(0), pixels.stride(1), batch, count, number, given,
        matrices.data_ptr(), made, int(adds), out.data_ptr(), out.stride(0), out.stride(1),
        torch.get_num_threads(),
    )  # fmt: skip


def add_grouped_outer(library: ctypes.CDLL, left: Tensor, right: Tensor, sums: Tensor) -> None:
    """Add ``left^T right`` of each group of channels, summed over an image's pixels, to sums.

    Args:
        library: See ``native``.
        left: (B, P, groups * M), each pixel's values side by side; float32, M a multiple of 8.
        right: (B, P, groups * N), the same, N a multiple of 16.
        sums: (B, groups, M, N), contiguous; added to.
    """
    batch, number, given, made = sums.shape
    count = left.shape[1]
    assert not given % 8 and not made % LANES and sums.is_contiguous()
    assert left.shape == (batch, count, number * given) and left.stride(2) == 1
    assert right.shape == (batch, count, number * made) and right.stride(2) == 1
    assert left.dtype == right.dtype == sums.dtype == torch.float32
    library.grouped_outer_float32(
        left.data_ptr(), left.stride(0), left.stride(1), right.data_ptr(), right.stride(0),
        right.stride(1), batch, count, number, given, made, sums.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
