"""What the layers of ``image_layers`` compute, by torch's operators, which differentiate them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.native.layers import Norm


def feed_forward(pixels: Tensor, norm: Norm, weights: Sequence[Tensor]) -> Tensor:
    """See ``image_layers.feed_forward``; pixels (B, H, W, C) in, the same out."""
    widen, taps, narrow = weights
    gate, value = _convolve(F.conv2d(_map(_normalize(pixels, norm)), widen), taps).chunk(2, 1)
    return pixels + _pixels(F.conv2d(F.gelu(gate) * value, narrow))


def self_attention(pixels: Tensor, norm: Norm, weights: Sequence[Tensor]) -> Tensor:
    """See ``image_layers.self_attention``."""
    temperature, widen, taps, project = weights
    wide = _convolve(F.conv2d(_map(_normalize(pixels, norm)), widen), taps)
    return pixels + _attend(wide, temperature, project)


def cross_attention(query: Tensor, source: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """See ``image_layers.cross_attention``."""
    temperature, ask, ask_taps, tell, tell_taps, project = weights
    asked = _convolve(F.conv2d(_map(query), ask), ask_taps)
    told = _convolve(F.conv2d(_map(source), tell), tell_taps)
    return _attend(torch.cat([asked, told], 1), temperature, project)


def differentiated(
    layer: Callable[[list[Tensor]], Tensor], inputs: Sequence[Tensor], grad: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Give a layer's answer and the gradients of its inputs.

    In a thread of its own: whatever is asked of autograd around the caller stays there (inference
    mode, activations that are computed again, a count of what is kept).
    """

    def compute() -> tuple[Tensor, list[Tensor]]:
        own = [one.clone().requires_grad_() for one in inputs]
        answer = layer(own)
        return answer.detach(), list(torch.autograd.grad(answer, own, grad.clone()))

    with ThreadPoolExecutor(1) as apart:
        return apart.submit(compute).result()


def _attend(wide: Tensor, temperature: Tensor, project: Tensor) -> Tensor:
    heads = len(temperature)
    shape = len(wide), heads, -1, wide[0, 0].numel()
    query, key, value = (one.reshape(shape) for one in wide.chunk(3, 1))
    query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
    weights = (query @ key.transpose(-1, -2) * temperature).softmax(-1)
    answer = (weights @ value).reshape(len(wide), -1, *wide.shape[2:])
    return _pixels(F.conv2d(answer, project))


def _normalize(pixels: Tensor, norm: Norm) -> Tensor:
    if norm.bias is not None:
        return F.layer_norm(pixels, pixels.shape[-1:], norm.weight, norm.bias, norm.eps)
    variance = pixels.var(-1, keepdim=True, unbiased=False)
    return pixels * torch.rsqrt(variance + norm.eps) * norm.weight


def _convolve(x: Tensor, taps: Tensor) -> Tensor:
    return F.conv2d(x, taps, padding=1, groups=len(taps))


def _map(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2)


def _pixels(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
