"""The gated feed-forward layer while it learns: forward and backward in strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from irbox.layers import image_by_image
from irbox.layers.norm import LayerNorm2d
from irbox.layers.strip_gradients import WideStrips
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import Summed, differentiate
from irbox.native import layer_gradients
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.feed_forward import GatedFeedForward


def feed_forward(ffn: GatedFeedForward, x: Tensor, norm: LayerNorm2d | None, keeps: bool) -> Tensor:
    """Compute ``ffn(x)``, or with a norm ``x + ffn(norm(x))``: (B, C, H, W) -> same shape.

    It keeps ``x`` alone, where the layer as a whole keeps fifteen times as much; with ``keeps`` the
    wide map as well, six times as much.
    """
    weights = [*ffn.parameters(), *(norm.parameters() if norm else ())]
    answer: Tensor = _FeedForward.apply(ffn, norm, keeps, x, *weights)
    return answer


class _FeedForward(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed as a whole."""

    @staticmethod
    def forward(
        ctx: Any,
        ffn: GatedFeedForward,
        norm: LayerNorm2d | None,
        keeps: bool,
        x: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        ctx.ffn, ctx.norm, ctx.dtype = ffn, norm, computing_dtype(x)
        wide = ffn.wide_map(x) if keeps else None
        convs = ffn.project_in, ffn.dwconv, ffn.project_out
        ctx.library = image_by_image.library_for(x, wide, norm, *convs) if norm else None
        ctx.save_for_backward(x, wide, *weights)
        if x.is_meta:
            return torch.empty_like(x, dtype=ctx.dtype if norm is None else x.dtype)
        if ctx.library is not None:
            assert norm is not None and wide is not None
            return image_by_image.feed_forward(ctx.library, x, norm, weights, wide)
        return ffn.in_strips(x, norm, wide)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, wide, *weights) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():
            with torch.autocast(x.device.type, ctx.dtype, enabled=ctx.dtype != x.dtype):
                answer = ctx.ffn.as_a_whole(x, ctx.norm)
            return None, None, None, *differentiate(answer, [x, *weights], grad, again=True)
        if ctx.library is not None:
            given = ctx.library, x, ctx.norm, weights, wide, grad
            return None, None, None, *image_by_image.feed_forward_gradient(*given)
        with full_precision(x):
            return None, None, None, *_gradients(ctx.ffn, ctx.norm, x, grad, ctx.dtype, wide)


def _gradients(
    ffn: GatedFeedForward,
    norm: LayerNorm2d | None,
    x: Tensor,
    grad: Tensor,
    dtype: torch.dtype,
    kept: Tensor | None,
) -> list[Tensor | None]:
    """Of the map and of all weights, in the order of ``feed_forward``."""
    pixels, of_answer = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)
    # With a norm the layer's answer was added to its input.
    of_answer = of_answer.contiguous()
    of_pixels, base = torch.empty_like(of_answer), None if norm is None else of_answer
    layers = ffn.project_in, ffn.dwconv
    wide_strips = WideStrips(pixels, of_pixels, *layers, dtype, 2, norm, kept, base)
    narrow = Summed(ffn.project_out, dtype, given=1)
    with wide_strips.at_once(narrow.weight.shape[1]) as known:
        if known is not None:
            weight = narrow.weight.contiguous()
            layer_gradients.feed_forward_gradient(*known, of_answer, weight, *narrow.sums)
    for images, rows in wide_strips if known is None else ():
        strip = of_answer[images, rows]
        of_out = strip.flatten(0, 2).to(dtype)
        of_gated = narrow.of_given(of_out).view(*strip.shape[:3], -1)
        gated = wide_strips.learn_gated(of_gated)
        narrow.add_product(of_out, gated.flatten(0, 2))
    widen, depthwise = wide_strips.widen.gradients(), wide_strips.depthwise.gradients()
    return [
        of_pixels.permute(0, 3, 1, 2),
        *widen,
        *depthwise,
        *narrow.gradients(),
        *wide_strips.norm.gradients(),
    ]
