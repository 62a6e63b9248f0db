"""Weights in bfloat16, their rows in whole vectors, as one Triton kernel.

A product reads its weights once for every tile of pixels. Where those are many, half of the bytes,
in vectors and without a conversion each time, are worth a launch.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.tiles import row_stride

TILE = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _halve_kernel(  # type: ignore[no-untyped-def]
    weight, out, count, width, padded_width, weight_stride, tile: tl.constexpr
):
    place = tl.program_id(0) * tile + tl.arange(0, tile)
    row, column = place // padded_width, place % padded_width
    inside = (place < count) & (column < width)
    value = tl.load(weight + row * weight_stride + column, mask=inside, other=0.0)
    tl.store(out + place, value, mask=place < count)


def halve(weight: Tensor, out: Tensor) -> None:
    """Run the kernel, described by `operators.halve`."""
    _halve_kernel[(triton.cdiv(out.numel(), TILE),)](
        weight, out, out.numel(), weight.shape[1], out.shape[1], row_stride(weight), tile=TILE
    )
