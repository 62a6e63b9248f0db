"""Sums over pixels as one Triton kernel: the gradient of a bias.

A program goes through a run of pixels; its sums go into a place of its own. One sum of torch over
the long side of a map takes two to five times as long.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import pixels_normed
from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit(do_not_specialize=['pixels', 'share'])  # type: ignore[untyped-decorator]
def _column_sums_kernel(  # type: ignore[no-untyped-def]
    x,
    sums,
    pixels,
    share,
    channels,
    x_stride,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    c = tl.arange(0, tile_channels)
    is_channel = c < channels
    total = tl.zeros([tile_pixels, tile_channels], tl.float32)
    part = tl.program_id(0)
    last = tl.minimum(pixels, (part + 1) * share)
    for start in range(part * share, last, tile_pixels):
        p = start + tl.arange(0, tile_pixels)
        place = x + p.to(tl.int64)[:, None] * x_stride + c[None, :]
        inside = (p < last)[:, None] & is_channel[None, :]
        total += tl.load(place, mask=inside, other=0.0).to(tl.float32)
    tl.store(sums + part * channels + c, tl.sum(total, axis=0), mask=is_channel)


def column_sums(rows: Tensor, sums: Tensor) -> None:
    """Run the kernel, described by `gradient_operators.column_sums`."""
    (pixels, channels), parts, at_once = rows.shape, len(sums), pixels_normed(rows.shape[1])
    _column_sums_kernel[(parts,)](
        rows,
        sums,
        pixels,
        triton.cdiv(triton.cdiv(pixels, parts), at_once) * at_once,
        channels,
        row_stride(rows),
        tile_pixels=at_once,
        tile_channels=tile_of(channels, 2**20),
        num_warps=4,
    )
