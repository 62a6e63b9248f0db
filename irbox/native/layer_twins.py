"""What the kernels of whole layers compute, by torch's operators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.native import torch_twins as twins
from irbox.native.layer_gradients import Gradients
from irbox.native.layers import Layer, Norm, Widening

Linear = tuple[Tensor, Tensor | None]


def feed_forward(by: Widening, narrow: Tensor, bias: Tensor | None, answer: Tensor) -> None:
    """See ``layers.feed_forward``."""
    gated = twins.gate(_widen(by), by.layer.taps, by.layer.shift, False)
    made = _linear(gated, narrow, bias)
    answer.copy_(made if by.layer.norm is None else made + by.layer.pixels)


def attention_sums(by: Widening, values: Tensor, product: Tensor, squares: Tensor) -> None:
    """See ``layers.attention_sums``."""
    both, found = _attended(by.layer, _widen(by), values)
    heads, size = product.shape[1:3]
    query, key = both.float().view(len(both), -1, 2, heads, size).unbind(2)
    product += torch.einsum('bphc,bphd->bhcd', query, key)
    squares += found


def mask(by: Widening, answer: Tensor) -> None:
    """See ``layers.mask``."""
    twins.mask(_widen(by), by.layer.taps, by.layer.shift, False, answer)


def gated_answer(
    pixels: Tensor,
    norm: Norm,
    values: Tensor,
    attention: Linear,
    gate: Linear,
    last: Linear,
    kept: tuple[Tensor | None, Tensor | None],
) -> Tensor:
    """See ``layers.gated_answer``."""
    attended = torch.einsum('bhwc,boc->bhwo', values.float(), attention[0].float())
    attended = (attended if attention[1] is None else attended + attention[1]).to(values.dtype)
    opened = _linear(_normed(pixels, norm), *gate).sigmoid()
    for room, made in zip(kept, (attended, opened), strict=True):
        if room is not None:
            room.copy_(made)
    gated = (attended * opened).to(pixels.dtype)
    return (pixels + _linear(gated, *last)).to(pixels.dtype)


def feed_forward_gradient(
    layer: Layer,
    to: Gradients,
    of_answer: Tensor,
    narrow: Tensor,
    of_narrow: Tensor,
    of_bias: Tensor | None,
) -> None:
    """See ``layer_gradients.feed_forward_gradient``."""
    given = layer.taps, layer.shift, False, of_answer @ narrow
    gated, *found = twins.gate_gradient(_window(layer), *given)
    _add_product(of_answer, gated, of_narrow, of_bias)
    _go_on(layer, to, *found)


def attention_gradient(
    layer: Layer,
    to: Gradients,
    of_answer: Tensor,
    matrix: Tensor,
    of_product: Tensor,
    twice: Tensor,
) -> None:
    """See ``layer_gradients.attention_gradient``."""
    batch, heads, size, _ = of_product.shape
    both, _ = _attended(layer, _window(layer), None)
    query, key = both.view(batch, -1, 2, heads, size).unbind(2)
    of_query = torch.einsum('bphd,bhcd->bphc', key, of_product)
    of_key = torch.einsum('bphc,bhcd->bphd', query, of_product)
    of_both = torch.stack([of_query, of_key], 2).view_as(both) + both * twice[:, None, None]
    of_values = torch.einsum('bhwo,bco->bhwc', of_answer, matrix)
    _convolved(layer, to, torch.cat([of_both, of_values], -1))


def mask_gradient(layer: Layer, to: Gradients, mask: Tensor, of_mask: Tensor) -> None:
    """See ``layer_gradients.mask_gradient``."""
    _convolved(layer, to, of_mask * mask * (1 - mask))


def gated_gradient(
    pixels: Tensor,
    norm: Norm,
    maps: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    of_pixels: Tensor,
    sums: tuple[Tensor, Tensor | None, Tensor, Tensor | None, Tensor],
) -> Tensor:
    """See ``layer_gradients.gated_gradient``."""
    (of_answer, attended, opened), (gate, last) = maps, weights
    of_gated = of_answer @ last
    of_logits = of_gated * attended * opened * (1 - opened)
    _add_product(of_logits, _normed(pixels, norm), sums[0], sums[1])
    _add_product(of_answer, attended * opened, sums[2], sums[3])
    _add_norm(pixels, norm, of_logits @ gate, of_answer, of_pixels, sums[4])
    return of_gated * opened


def _widen(by: Widening) -> Tensor:
    """Give the wide map without rows around it; write it where it is kept."""
    normed = _normed(by.layer.pixels, by.layer.norm)
    wide = _linear(normed, by.weight, by.bias).to(normed.dtype)
    return wide if by.layer.kept is None else _window(by.layer).copy_(wide)


def _window(layer: Layer) -> Tensor:
    assert layer.kept is not None
    margin = (layer.kept.shape[1] - layer.pixels.shape[1]) // 2
    return layer.kept[:, margin : layer.kept.shape[1] - margin]


def _normed(pixels: Tensor, norm: Norm | None) -> Tensor:
    if norm is None:
        return pixels
    return twins.normalize(pixels, norm.weight, norm.bias, norm.eps, pixels.dtype)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply in float32 whatever the dtype is, as the kernels add up."""
    return F.linear(x.float(), weight.float(), bias)


def _attended(layer: Layer, window: Tensor, values: Tensor | None) -> tuple[Tensor, Tensor]:
    return twins.attend(window, layer.taps, layer.shift, False, layer.pixels.shape[3], values)


def _convolved(layer: Layer, to: Gradients, of_wide: Tensor) -> None:
    """Go back from what the 3x3 made."""
    _go_on(layer, to, *twins.depthwise_gradient(_window(layer), layer.taps, False, of_wide))


def _go_on(
    layer: Layer, to: Gradients, of_window: Tensor, of_taps: Tensor, of_shift: Tensor
) -> None:
    """Go back from the wide map, with the gradients of its 3x3."""
    to.of_taps[:9] += of_taps.flatten(1).t()
    to.of_taps[9] += of_shift
    _add_product(of_window, _normed(layer.pixels, layer.norm), to.of_weight, to.of_bias)
    of_normed = of_window @ to.weight
    if layer.norm is None or to.of_norm is None:
        to.of_pixels.copy_(of_normed)
    else:
        _add_norm(layer.pixels, layer.norm, of_normed, to.base, to.of_pixels, to.of_norm)


def _add_product(of_made: Tensor, given: Tensor, sums: Tensor, totals: Tensor | None) -> None:
    rows = of_made.flatten(0, 2)
    sums += rows.t() @ given.flatten(0, 2)
    if totals is not None:
        totals += rows.sum(0)


def _add_norm(
    pixels: Tensor, norm: Norm, of_normed: Tensor, base: Tensor, of_pixels: Tensor, sums: Tensor
) -> None:
    total = base.clone()
    given = norm.weight, norm.bias is not None, norm.eps, of_normed, total
    sums += twins.normalize_gradient(pixels, *given)
    of_pixels.copy_(total)
