"""What attention across channels gives to a query that is zero everywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.channel_attention import apply, exact
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.cross_attention_gradient import can_learn, of_linear
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.pixel_linear import PixelLinear, add_outer_product
from irbox.layers.plain import are_depthwise, is_traced, is_watched
from irbox.layers.standard_operators import wants_standard_operators
from irbox.layers.strips import pixels_of
from irbox.layers.summed_gradients import differentiate
from irbox.native import operators
from irbox.native.library import native
from irbox.utils.precision import full_precision


def attend_by_zeros(attention: TransposedCrossAttention, query: Tensor, source: Tensor) -> Tensor:
    """Compute ``attention(query, source)``, given that the query is zero: a third of the work.

    A channel that is zero everywhere has no direction (see ``inverse_norms``): it asks all channels
    of its head alike, and gets the mean of their values. Neither keys nor the weights that make
    queries matter; their gradients are zero, and are there, as distributed training wants them.

    Args:
        attention: The layer.
        query: (B, C, H, W), all zero.
        source: (B, C, H, W).

    Returns:
        (B, C, H, W), to rounding what the layer gives.
    """
    if _gives_means(attention, source):
        if can_run_fused(source, attention):
            wide, narrow = _of_values(attention)
            mixing = _mixing(attention), attention.project_out.bias
            return fused.mean_values(source, wide, narrow, mixing)
        if source.device.type == 'cpu':  # elsewhere torch's 3x3 costs more than the layer's kernels
            return _on_a_cpu(attention, source)
    answer: Tensor = attention(query, source)
    return answer


def _on_a_cpu(attention: TransposedCrossAttention, source: Tensor) -> Tensor:
    """The same by kernels of ours where the layer learns by them, else by torch's operators."""
    if attention.kv.bias is None and can_learn(attention, source, source):
        learned: Tensor = _MeanValues.apply(attention, source, *attention.parameters())
        return learned
    return _mean_values(attention, source)


def _mean_values(attention: TransposedCrossAttention, source: Tensor) -> Tensor:
    """The same operator by operator."""
    heads, dim = len(attention.temperature), attention.q.in_channels
    wide, narrow = _of_values(attention)
    values = F.linear(source.permute(0, 2, 3, 1), wide[0].flatten(1), wide[1]).permute(0, 3, 1, 2)
    values = F.conv2d(values, *narrow, padding=1, groups=dim)
    with full_precision(source):
        unused = [attention.q.weight, attention.q_dwconv.weight, attention.temperature]
        alike = heads / dim + 0.0 * torch.stack([exact(weight).sum() for weight in unused]).sum()
        weights = alike.expand(len(source), heads, dim // heads, dim // heads)
        out = apply(values.permute(0, 2, 3, 1), weights, attention.project_out)
    return out.permute(0, 3, 1, 2)


class _MeanValues(torch.autograd.Function):
    """The same by kernels of ours; differentiable itself, then operator by operator."""

    @staticmethod
    def forward(
        ctx: Any, attention: TransposedCrossAttention, source: Tensor, *weights: Tensor
    ) -> Tensor:
        ctx.attention, dim = attention, source.shape[1]
        pixels = pixels_of(source)
        wide = torch.empty_like(pixels)
        if source.is_meta:
            ctx.save_for_backward(source, wide, wide, *weights)
            return torch.empty_like(source)
        PixelLinear(attention.kv.weight.detach()[dim:].flatten(1))(pixels, wide)
        taps = attention.kv_dwconv.weight.detach()[dim:]
        values = F.conv2d(wide.permute(0, 3, 1, 2), taps, padding=1, groups=dim)
        values = values.permute(0, 2, 3, 1).contiguous()
        ctx.save_for_backward(source, wide, values, *weights)
        answer = torch.empty_like(pixels)
        PixelLinear(_mixing(attention))(values, answer)
        return answer.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (source, wide, values, *weights) = grads, ctx.saved_tensors
        attention, dim, library = ctx.attention, source.shape[1], native()
        if torch.is_grad_enabled():
            answer = _mean_values(attention, source)
            return None, *differentiate(answer, [source, *weights], grad, again=True)
        assert library is not None
        of_answer, mixing = pixels_of(grad), _mixing(attention)
        of_mixing, of_values = torch.zeros_like(mixing), torch.empty_like(values)
        add_outer_product(of_mixing, of_answer.flatten(0, 2), values.flatten(0, 2))
        PixelLinear(mixing.t())(of_answer, of_values)
        taps = operators.taps(attention.kv_dwconv.weight.detach()[dim:])
        given = library, wide, taps, False, of_values
        of_wide, of_taps, _ = operators.depthwise_gradient(*given)
        weight = attention.kv.weight.detach()[dim:]
        of_source, of_weight = of_linear(weight, pixels_of(source), of_wide.flatten(0, 2))
        temperature, *unused, _, _, _ = (torch.zeros_like(one) for one in weights)
        heads = len(attention.temperature)
        each = of_mixing.view(dim, heads, -1).mean(2, keepdim=True)
        of_projection = each.expand(dim, heads, dim // heads).reshape(weights[-1].shape)
        return (
            None,
            of_source,
            temperature,
            *unused,
            torch.cat([torch.zeros_like(of_weight), of_weight]),
            torch.cat([torch.zeros_like(of_taps), of_taps]),
            of_projection,
        )


def _mixing(attention: TransposedCrossAttention) -> Tensor:
    """What takes the mean of each head's values, and projects it: (C_out, C)."""
    weight, heads = attention.project_out.weight.detach(), len(attention.temperature)
    apart = weight.view(len(weight), heads, -1)
    return apart.mean(2, keepdim=True).expand_as(apart).reshape(len(weight), -1)


def _gives_means(attention: TransposedCrossAttention, source: Tensor) -> bool:
    """Tell whether nobody looks at the steps, and none of them makes something of nothing."""
    ours = type(attention).forward is TransposedCrossAttention.forward
    biased = attention.q.bias is not None or attention.q_dwconv.bias is not None
    if not ours or biased or wants_standard_operators():
        return False
    if is_traced(source):
        return False
    return not is_watched([attention]) and are_depthwise([attention])


def _of_values(attention: TransposedCrossAttention) -> list[tuple[Tensor, Tensor | None]]:
    """Give weight and bias of both convolutions for the half of the channels that become values."""
    dim = attention.q.in_channels
    return [
        (layer.weight[dim:], None if layer.bias is None else layer.bias[dim:])
        for layer in (attention.kv, attention.kv_dwconv)
    ]
