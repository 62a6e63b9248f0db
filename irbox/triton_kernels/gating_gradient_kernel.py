"""The gradient of a map times a sigmoid as one Triton kernel."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit(do_not_specialize=['pixels'])  # type: ignore[untyped-decorator]
def _gating_gradient_kernel(  # type: ignore[no-untyped-def]
    given,
    gated,
    gate,
    of_map,
    of_logits,
    pixels,
    channels,
    given_stride,
    gated_stride,
    gate_stride,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    row = (tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)).to(tl.int64)[:, None]
    c = tl.arange(0, tile_channels)[None, :]
    inside = (row < pixels) & (c < channels)
    grad = tl.load(given + row * given_stride + c, mask=inside, other=0.0).to(tl.float32)
    product = tl.load(gated + row * gated_stride + c, mask=inside, other=0.0).to(tl.float32)
    opened = tl.load(gate + row * gate_stride + c, mask=inside, other=0.0).to(tl.float32)
    tl.store(of_map + row * channels + c, grad * opened, mask=inside)
    # The map times the sigmoid's slope is the product times what the sigmoid is below one.
    tl.store(of_logits + row * channels + c, grad * product * (1.0 - opened), mask=inside)


def gating_gradient(
    of_gated: Tensor, gated: Tensor, gate: Tensor, of_map: Tensor, of_logits: Tensor
) -> None:
    """Run the kernel, described by `gradient_operators.gating_gradient`."""
    pixels, channels = gated.shape
    tile_channels = tile_of(channels, 2**20)
    tile_pixels = max(1, 2048 // tile_channels)
    _gating_gradient_kernel[(triton.cdiv(pixels, tile_pixels),)](
        of_gated,
        gated,
        gate,
        of_map,
        of_logits,
        pixels,
        channels,
        row_stride(of_gated),
        row_stride(gated),
        row_stride(gate),
        tile_pixels=tile_pixels,
        tile_channels=tile_channels,
        num_warps=4,
    )
