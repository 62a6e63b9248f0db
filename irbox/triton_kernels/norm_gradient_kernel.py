"""The gradient of a norm over the channels of each pixel as one Triton kernel.

It normalises once more, for whoever needs the answer: the gradient of the product behind it. A
program goes through a run of pixels; its sums for weight and bias go into a place of its own.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.sizes import pixels_normed
from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit(do_not_specialize=['pixels', 'share'])  # type: ignore[untyped-decorator]
def _norm_gradient_kernel(  # type: ignore[no-untyped-def]
    x,
    given,
    weight,
    bias,
    added,
    of_x,
    normed,
    sums,
    pixels,
    share,
    channels,
    x_stride,
    given_stride,
    added_stride,
    eps,
    centers: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    c = tl.arange(0, tile_channels)
    is_channel = c < channels
    by_weight = tl.load(weight + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    shift = tl.zeros([1, tile_channels], tl.float32)
    if centers:
        shift += tl.load(bias + c, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    of_weight = tl.zeros([tile_pixels, tile_channels], tl.float32)
    of_bias = of_weight
    part = tl.program_id(0)
    last = tl.minimum(pixels, (part + 1) * share)
    for start in range(part * share, last, tile_pixels):
        p = start + tl.arange(0, tile_pixels)
        row, inside = p.to(tl.int64)[:, None], (p < last)[:, None] & is_channel[None, :]
        value = tl.load(x + row * x_stride + c[None, :], mask=inside, other=0.0).to(tl.float32)
        mean = tl.sum(value, axis=1) / channels
        away = tl.where(inside, value - mean[:, None], 0.0)
        scale = tl.rsqrt(tl.sum(away * away, axis=1) / channels + eps)[:, None]
        # Without a bias the mean is not subtracted, but it is in the variance.
        scaled = (away if centers else value) * scale
        place = given + row * given_stride + c[None, :]
        of_normed = tl.load(place, mask=inside, other=0.0).to(tl.float32)
        weighed = of_normed * by_weight
        shared = tl.sum(weighed * scaled, axis=1)[:, None] / channels
        answer = weighed - away * scale * shared
        if centers:
            answer -= tl.sum(weighed, axis=1)[:, None] / channels
        place = added + row * added_stride + c[None, :]
        answer = answer * scale + tl.load(place, mask=inside, other=0.0).to(tl.float32)
        tl.store(of_x + row * channels + c[None, :], answer, mask=inside)
        tl.store(normed + row * channels + c[None, :], scaled * by_weight + shift, mask=inside)
        of_weight += of_normed * scaled
        of_bias += of_normed
    place = sums + part * (2 if centers else 1) * channels + c
    tl.store(place, tl.sum(of_weight, axis=0), mask=is_channel)
    if centers:
        tl.store(place + channels, tl.sum(of_bias, axis=0), mask=is_channel)


def norm_gradient(
    rows: Tensor,
    of_normed: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Tensor,
    eps: float,
    halves: bool,
    of_rows: Tensor,
    normed: Tensor,
    sums: Tensor,
) -> None:
    """Run the kernel, described by `gradient_operators.norm_gradient`."""
    (pixels, channels), parts, at_once = rows.shape, len(sums), pixels_normed(rows.shape[1])
    _norm_gradient_kernel[(parts,)](
        rows,
        of_normed,
        weight,
        bias,
        added,
        of_rows,
        normed,
        sums,
        pixels,
        triton.cdiv(triton.cdiv(pixels, parts), at_once) * at_once,
        channels,
        row_stride(rows),
        row_stride(of_normed),
        row_stride(added),
        eps,
        centers=bias is not None,
        tile_pixels=at_once,
        tile_channels=tile_of(channels, 2**20),
        num_warps=4,
    )
