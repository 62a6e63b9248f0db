"""Two branches mixed by a gate, one of them normalised, and a map added, as a Triton kernel."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from irbox.triton_kernels.tiles import row_stride, tile_of


@triton.jit  # type: ignore[untyped-decorator]
def _blend_kernel(  # type: ignore[no-untyped-def]
    local,
    distant,
    norm_weight,
    norm_bias,
    gate,
    base,
    out,
    pixels,
    channels,
    local_stride,
    distant_stride,
    gate_stride,
    base_stride,
    eps,
    has_gate: tl.constexpr,
    gate_is_wide: tl.constexpr,
    weighs_local: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    p = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    c = tl.arange(0, tile_channels)
    is_pixel, is_channel, row = p < pixels, c < channels, p.to(tl.int64)
    inside = is_pixel[:, None] & is_channel[None, :]
    far = tl.load(distant + row[:, None] * distant_stride + c[None, :], mask=inside, other=0.0)
    far = far.to(tl.float32)
    mean = tl.sum(far, axis=1) / channels
    far = tl.where(inside, far - mean[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(far * far, axis=1) / channels + eps)
    weight = tl.load(norm_weight + c, mask=is_channel, other=0.0).to(tl.float32)
    shift = tl.load(norm_bias + c, mask=is_channel, other=0.0).to(tl.float32)
    far = far * scale[:, None] * weight[None, :] + shift[None, :]
    near = tl.load(local + row[:, None] * local_stride + c[None, :], mask=inside, other=0.0)
    near = near.to(tl.float32)
    share = tl.full([tile_pixels, tile_channels], 0.5, tl.float32)
    if has_gate:
        if gate_is_wide:
            place = gate + row[:, None] * gate_stride + c[None, :]
            share = tl.load(place, mask=inside, other=0.0).to(tl.float32)
        else:
            one = tl.load(gate + row * gate_stride, mask=is_pixel, other=0.0).to(tl.float32)
            share = one[:, None] + tl.zeros([tile_pixels, tile_channels], tl.float32)
    if not weighs_local:
        share = 1.0 - share
    mixed = share * near + (1.0 - share) * far
    mixed += tl.load(base + row[:, None] * base_stride + c[None, :], mask=inside, other=0.0)
    tl.store(out + row[:, None] * channels + c[None, :], mixed, mask=inside)


def blend(
    local: Tensor,
    distant: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    gate: Tensor | None,
    base: Tensor,
    weighs_local: bool,
    eps: float,
    out: Tensor,
) -> None:
    """Run the kernel, described by `mamba_operators.blend`."""
    pixels, channels = out.shape
    tile_channels = tile_of(channels, 2**20)
    tile_pixels = max(1, 2048 // tile_channels)
    _blend_kernel[(triton.cdiv(pixels, tile_pixels),)](
        local,
        distant,
        norm_weight,
        norm_bias,
        gate,
        base,
        out,
        pixels,
        channels,
        row_stride(local),
        row_stride(distant),
        row_stride(gate),
        row_stride(base),
        eps,
        has_gate=gate is not None,
        gate_is_wide=gate is not None and gate.shape[1] > 1,
        weighs_local=weighs_local,
        tile_pixels=tile_pixels,
        tile_channels=tile_channels,
    )
