"""Rows of a map taken by their numbers, and added up by them, as two Triton kernels."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.layers.fused.tiles import row_stride, tile_of

ROWS, CHANNELS = 64, 64
"""Of a program."""


@triton.jit(do_not_specialize=['count'])  # type: ignore[untyped-decorator]
def _gather_rows_kernel(  # type: ignore[no-untyped-def]
    rows,
    index,
    out,
    count,
    channels,
    rows_stride,
    missing,
    tile_rows: tl.constexpr,
    tile_channels: tl.constexpr,
):
    r = tl.program_id(0).to(tl.int64) * tile_rows + tl.arange(0, tile_rows)
    c = tl.program_id(1) * tile_channels + tl.arange(0, tile_channels)
    is_row, is_channel = r < count, c < channels
    source = tl.load(index + r, mask=is_row, other=-1).to(tl.int64)
    place = rows + source[:, None] * rows_stride + c[None, :]
    is_there = (source >= 0)[:, None] & is_channel[None, :]
    value = tl.load(place, mask=is_there, other=0.0)
    value = tl.where(is_there, value, missing)
    place = out + r[:, None] * channels + c[None, :]
    tl.store(place, value, mask=is_row[:, None] & is_channel[None, :])


@triton.jit(do_not_specialize=['count'])  # type: ignore[untyped-decorator]
def _sum_rows_kernel(  # type: ignore[no-untyped-def]
    rows,
    places,
    out,
    count,
    channels,
    times,
    rows_stride,
    tile_rows: tl.constexpr,
    tile_channels: tl.constexpr,
):
    r = tl.program_id(0).to(tl.int64) * tile_rows + tl.arange(0, tile_rows)
    c = tl.program_id(1) * tile_channels + tl.arange(0, tile_channels)
    is_row, is_channel = r < count, c < channels
    total = tl.zeros([tile_rows, tile_channels], tl.float32)
    for time in range(times):
        source = tl.load(places + count.to(tl.int64) * time + r, mask=is_row, other=-1)
        source = source.to(tl.int64)
        place = rows + source[:, None] * rows_stride + c[None, :]
        is_there = (source >= 0)[:, None] & is_channel[None, :]
        total += tl.load(place, mask=is_there, other=0.0).to(tl.float32)
    place = out + r[:, None] * channels + c[None, :]
    tl.store(place, total, mask=is_row[:, None] & is_channel[None, :])


def gather_rows(rows: Tensor, index: Tensor, missing: float, out: Tensor) -> None:
    """Run the first kernel, described by `row_operators.gather_rows`."""
    if not out.numel():
        return
    count, channels = out.shape
    tile_channels = tile_of(channels, CHANNELS)
    grid = triton.cdiv(count, ROWS), triton.cdiv(channels, tile_channels)
    _gather_rows_kernel[grid](
        rows, index, out, count, channels, row_stride(rows), missing,
        tile_rows=ROWS, tile_channels=tile_channels,
    )  # fmt: skip


def sum_rows(rows: Tensor, places: Tensor, out: Tensor) -> None:
    """Run the second kernel, described by `row_operators.sum_rows`."""
    if not out.numel():
        return
    count, channels = out.shape
    tile_channels = tile_of(channels, CHANNELS)
    grid = triton.cdiv(count, ROWS), triton.cdiv(channels, tile_channels)
    _sum_rows_kernel[grid](
        rows, places, out, count, channels, len(places), row_stride(rows),
        tile_rows=ROWS, tile_channels=tile_channels,
    )  # fmt: skip
