"""What the Triton kernels have in common: products, and how large a program's tile is."""

from __future__ import annotations

import os

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit  # type: ignore[untyped-decorator]
def product(  # type: ignore[no-untyped-def]
    a, b, total, precision: tl.constexpr, widens: tl.constexpr
):
    """``total + a b``; what the interpreter cannot multiply is widened, which rounds nothing."""
    if widens:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, total, input_precision=precision)


def products_in(dtype: torch.dtype) -> dict[str, str | bool]:
    """Say how a kernel multiplies: as torch was told to, in full float32 by three TF32 products."""
    reduced = torch.backends.cuda.matmul.fp32_precision in ('tf32', 'bf16')
    interpreted = os.environ.get('TRITON_INTERPRET', '0') not in ('', '0')
    return {
        'precision': 'tf32' if reduced else 'tf32x3',
        'widens': interpreted and dtype == torch.bfloat16,
    }


def tile_of(width: int, most: int) -> int:
    """Give the power of two, 16 to ``most``, that a width is cut into."""
    fits: int = triton.next_power_of_2(width)
    return max(16, min(most, fits))


def row_stride(rows: Tensor | None) -> int:
    """Give the distance of rows (P, C) in elements; 0 where there are none."""
    if rows is None:
        return 0
    if rows.shape[1] > 1 and rows.stride(1) != 1:
        raise ValueError(
            f'rows must have their channels side by side, got strides {rows.stride()}.'
        )
    return rows.stride(0)
