"""Gated attention (MSA) while it learns: forward and backward in strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from irbox.layers.attention_gradient import attention_gradients
from irbox.layers.norm import LayerNorm2d
from irbox.layers.norm_sums import NormSums
from irbox.layers.strip_gradients import WideStrips
from irbox.layers.strips import (
    TIMES,
    computing_dtype,
    kept_map,
    pixels_in_strip,
    pixels_of,
    size_of,
    strips,
)
from irbox.layers.summed_gradients import Summed, differentiate
from irbox.native import layer_gradients
from irbox.native.library import LANES, native
from irbox.native.products import taken_at_once
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.mamba_style_attention import MambaStyleAttention


def gated_attention(
    layer: MambaStyleAttention, x: Tensor, norm: LayerNorm2d, keeps: bool
) -> Tensor:
    """Compute ``x + layer(norm(x))``, (B, C, H, W) -> same shape.

    It keeps ``x``, the mask, the values and what attention makes of them, where the layer as a
    whole keeps fourteen maps; with ``keeps`` the gate, what the mask is convolved from and
    attention's wide map as well, five times ``x``.
    """
    answer: Tensor = _Gated.apply(layer, norm, keeps, x, *layer.parameters(), *norm.parameters())
    return answer


class _Gated(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        layer: MambaStyleAttention,
        norm: LayerNorm2d,
        keeps: bool,
        x: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.layer, ctx.norm, ctx.dtype = layer, norm, computing_dtype(x)
        wide = layer.attn.wide_map(x) if keeps else None
        first = kept_map(x, x.shape[1]) if keeps else None
        if x.is_meta:
            maps = (torch.empty_like(x, dtype=ctx.dtype) for _ in range(4 if keeps else 3))
            ctx.save_for_backward(x, wide, first, *maps, *weights)
            return torch.empty_like(x)
        with full_precision(x):
            pixels = pixels_of(x)
            mask = layer.mask_in_strips(pixels, norm, ctx.dtype, first)
            values, attended = torch.empty_like(mask), torch.empty_like(mask)
            gate = torch.empty_like(mask) if keeps else None
            found, *small = layer.attn.weigh_in_strips(mask, values, wide=wide)
            answer = layer.add_gated(pixels, norm, values, found, gate, attended)
        ctx.save_for_backward(x, wide, first, gate, mask, values, attended, *small, *weights)
        return answer.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        x, wide, first, opened, mask, values, attended, product, squares, *weights = (
            ctx.saved_tensors
        )
        if torch.is_grad_enabled():
            with torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype):
                answer = x + ctx.layer(ctx.norm(x))
            return None, None, None, *differentiate(answer, [x, *weights], grad, again=True)
        layer, norm, dtype = ctx.layer, ctx.norm, ctx.dtype
        pixels = x.permute(0, 2, 3, 1)
        of_answer = grad.permute(0, 2, 3, 1).contiguous()
        of_pixels = torch.empty_like(of_answer)
        with full_precision(x):
            normed = NormSums(norm, pixels, of_pixels, dtype, of_answer)
            of_attended, of_gated = _of_gated(layer, normed, of_answer, attended, opened)
            small = values, product, squares
            given, of_given = (one.permute(0, 3, 1, 2) for one in (mask, of_attended))
            of_mask, *of_attention = attention_gradients(
                layer.attn, None, given, of_given, small, wide
            )
            assert of_mask is not None
            conv = cast(nn.Conv2d, layer.dwconv[0])
            masked = WideStrips(
                pixels, of_pixels, layer.project_in, conv, dtype, norm=norm, kept=first
            )
            of_mask = of_mask.permute(0, 2, 3, 1)
            with masked.at_once() as known:
                if known is not None:
                    layer_gradients.mask_gradient(*known, mask, of_mask)
            for place in masked if known is None else ():
                masked.learn(torch.ops.aten.sigmoid_backward(of_mask[place], mask[place]))
            of_norm = zip(normed.gradients(), masked.norm.gradients(), strict=True)
        return (
            None,
            None,
            None,
            of_pixels.permute(0, 3, 1, 2),
            *masked.widen.gradients(),
            *masked.depthwise.gradients(),
            *of_attention,
            *of_gated,
            *(one + other for one, other in of_norm),
        )


def _of_gated(
    layer: MambaStyleAttention,
    normed: NormSums,
    of_answer: Tensor,
    attended: Tensor,
    kept_gate: Tensor | None,
) -> tuple[Tensor, list[Tensor | None]]:
    """Take the gradients of what gates attention's answer, (B, H, W, C), and projects that.

    Returns:
        That of attention's answer; those of the gate's weights and of the last projection's.
    """
    dtype, dim = attended.dtype, attended.shape[3]
    gate, last = Summed(cast(nn.Conv2d, layer.gate[0]), dtype), Summed(layer.project_out, dtype)
    known = normed.for_kernels() if dtype == torch.float32 and not dim % LANES else None
    library = None if known is None else native()
    multiplies = library is not None and taken_at_once(library, dtype)
    if library is not None and known is not None and kept_gate is not None and multiplies:
        of_norm = attended.new_zeros(2, dim)
        of_attended = layer_gradients.gated_gradient(
            library, normed.pixels.contiguous(), known, (of_answer, attended, kept_gate),
            (gate.weight.contiguous(), last.weight.contiguous()),
            pixels_in_strip(4 * dim, dtype), normed.of_pixels,
            (*gate.sums, *last.sums, of_norm),
        )  # fmt: skip
        normed.add_sums(of_norm)
        return of_attended, [*gate.gradients(), *last.gradients()]
    of_attended = torch.empty_like(attended)
    for place in strips(size_of(attended), 2 * dim // TIMES, dtype):
        given, kept = normed.normalize(place), attended[place]
        if kept_gate is None:
            opened = torch.empty_like(given)
            gate.linear(given, opened, squash=True)
        else:
            opened = kept_gate[place]
        of_out = of_answer[place].to(dtype)
        gated, of_gate = last.open_gradient(of_out, opened, kept, of_attended[place])
        last.add_product(of_out.flatten(0, 2), gated.flatten(0, 2))
        gate.add_product(of_gate.flatten(0, 2), given.flatten(0, 2))
        normed.add(place, gate.of_given(of_gate).view(kept.shape))
    return of_attended, [*gate.gradients(), *last.gradients()]
