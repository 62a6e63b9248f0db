"""The norm of many tensors together, by one call of a kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from irbox.native.library import native

PLAIN = (Tensor, nn.Parameter)


def total_norm(tensors: Sequence[Tensor]) -> Tensor | None:
    """Compute the L2 norm of all numbers of some tensors; None where no kernel of ours does.

    Those are for float32 on a CPU, each tensor in memory in one piece, in any order of dimensions.

    Returns:
        (), float32.
    """
    if not tensors or not all(_is_plain(one) for one in tensors):
        return None
    library = native()
    return None if library is None else total_norm_by(library, tensors)


def total_norm_by(library: ctypes.CDLL, tensors: Sequence[Tensor]) -> Tensor:
    """Compute ``total_norm`` of tensors that the kernel takes."""
    number = len(tensors)
    at = (ctypes.c_void_p * number)(*(one.data_ptr() for one in tensors))
    counts = (ctypes.c_int64 * number)(*(one.numel() for one in tensors))
    squares: float = library.squares_float32(at, counts, number)
    # In float32, where what is too large for it has always counted as not finite.
    return torch.tensor(squares, dtype=torch.float64).float().sqrt()


def _is_plain(x: Tensor) -> bool:
    if type(x) not in PLAIN or x.dtype != torch.float32 or x.device.type != 'cpu':
        return False
    if x.layout != torch.strided:
        return False
    return x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
