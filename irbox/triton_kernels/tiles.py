"""What Triton kernels have in common: products, GELU, and how large a program's tile is."""

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


@triton.jit
def beyond(x):  # type: ignore[no-untyped-def]
    """What a normal variable is beyond |x| by chance, within 8e-6 of it up to 5.6.

    Two to the power of a polynomial, fitted here: half the instructions of the error function, and
    ``x`` times it is off by 6e-7 at most.
    """
    z = tl.abs(x)
    power = -1.8098322698278935e-06 * z + 6.117660086601973e-05
    power = power * z - 0.000927778659388423
    power = power * z + 0.008499212563037872
    power = power * z - 0.053946353495121
    power = power * z - 0.45847439765930176
    power = power * z - 1.1512484550476074
    return tl.exp2(power * z - 0.9999954104423523)


@triton.jit
def gelu(x):  # type: ignore[no-untyped-def]
    """``x`` times what a normal variable is below it by chance."""
    return tl.maximum(x, 0.0) - tl.abs(x) * beyond(x)


def products_in(dtype: torch.dtype, allow_tf32: bool = False) -> dict[str, str | bool]:
    """Say how a kernel multiplies: as torch was told to, in full float32 by three TF32 products.

    In one where the caller allows it.
    """
    allow_tf32 = allow_tf32 or torch.backends.cuda.matmul.fp32_precision in ('tf32', 'bf16')
    interpreted = os.environ.get('TRITON_INTERPRET', '0') not in ('', '0')
    return {
        'precision': 'tf32' if allow_tf32 else 'tf32x3',
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
