"""Routed perceptrons by kernels of ours, learning or not."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.plain import are_perceptrons, is_traced, is_watched
from irbox.layers.strips import computing_dtype
from irbox.layers.summed_gradients import apart, differentiate
from irbox.native import expert_operators as operators
from irbox.native.expert_operators import Perceptrons
from irbox.native.library import LANES, native

if TYPE_CHECKING:
    from irbox.layers.mixture_of_experts import MixtureOfExperts


def can_mix_by_kernels(mixture: MixtureOfExperts, x: Tensor) -> bool:
    """Tell whether ``mix`` may be called: on a CPU, in float32, for perceptrons that are alike.

    Not while they are compiled, exported or traced, nor where somebody watches an expert.
    Logarithms of sums have no gradient there.
    """
    if is_traced(x):
        return False
    if x.device.type != 'cpu' or not computing_dtype(x) == x.dtype == torch.float32:
        return False
    if mixture.combine != 'sum' and torch.is_grad_enabled():
        return False
    if x.shape[1] % LANES or is_watched(mixture.experts):
        return False
    everyone: Any = mixture.experts
    if not are_perceptrons(everyone) or len({one.fc1.weight.shape for one in everyone}) != 1:
        return False
    return everyone[0].fc1.weight.dtype == torch.float32 and native() is not None


def mix(mixture: MixtureOfExperts, x: Tensor, weights: Tensor, adds: bool) -> Tensor:
    """Combine the experts' answers as the mixture does; with ``adds``, ``x`` plus that.

    Args:
        mixture: ``can_mix_by_kernels`` it.
        x: (B, C, H, W).
        weights: (B, N, H, W), zero where an expert is not asked.
        adds: Whether to add ``x``.

    Returns:
        (B, C, H, W), float32.
    """
    parameters: list[Tensor] = list(mixture.experts.parameters())
    if not torch.is_grad_enabled():
        return _answer(native(), x, weights, _turned(parameters), adds, mixture.combine == 'logexp')
    answer: Tensor = _Mixture.apply(mixture, adds, x, weights, *parameters)
    return answer


def _answer(
    library: Any, x: Tensor, weights: Tensor, own: Perceptrons, adds: bool, log: bool
) -> Tensor:
    """Compute the same, with nothing to differentiate."""
    pixels, shares = _rows(x), _rows(weights)
    # The answer itself, not a view of rows, which wrappers of modules warn of.
    answer = torch.empty_like(x, memory_format=torch.channels_last)
    out = answer.permute(0, 2, 3, 1).view(-1, x.shape[1])
    operators.experts(library, pixels, shares, own, pixels if adds else None, out, log)
    return answer


class _Mixture(torch.autograd.Function):
    """Differentiable itself, twice and more, then computed expert by expert."""

    @staticmethod
    def forward(
        ctx: Any,
        mixture: MixtureOfExperts,
        adds: bool,
        x: Tensor,
        weights: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.mixture, ctx.adds, ctx.library = mixture, adds, native()
        ctx.save_for_backward(x, weights, *parameters)
        return _answer(ctx.library, x, weights, _together(parameters), adds, log=False)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), (x, weights, *parameters) = grads, ctx.saved_tensors
        if torch.is_grad_enabled():
            x, weights = apart(x, weights)
            answer = ctx.mixture.one_by_one(x, weights)
            answer = x + answer if ctx.adds else answer
            inputs = [x, weights, *parameters]
            return None, None, *differentiate(answer, inputs, grad, again=True)
        return None, None, *_gradients(ctx.library, ctx.adds, x, weights, parameters, grad)


def _gradients(
    library: ctypes.CDLL,
    adds: bool,
    x: Tensor,
    weights: Tensor,
    parameters: list[Tensor],
    grad: Tensor,
) -> list[Tensor]:
    """Of the map, of the weights and of each expert's parameters."""
    of_pixels, of_weights, found = operators.experts_gradient(
        library, _rows(x), _rows(weights), _together(parameters), adds, _rows(grad)
    )
    hidden = len(parameters[0])
    first, first_bias, second = found.first[:, :hidden], found.first_bias[:, :hidden], found.second
    parts = first, first_bias, second[..., :hidden], found.second_bias
    each = zip(*(part.unbind(0) for part in parts), strict=True)
    return [_map(of_pixels, x), _map(of_weights, weights), *(one for them in each for one in them)]


def _together(parameters: tuple[Tensor, ...] | list[Tensor]) -> Perceptrons:
    """Lay the experts' parameters side by side, their hidden width padded to whole vectors."""
    first, first_bias, second, second_bias = (torch.stack(parameters[i::4]) for i in range(4))
    missing = -first.shape[1] % LANES
    if missing:
        first = F.pad(first, (0, 0, 0, missing))
        first_bias, second = F.pad(first_bias, (0, missing)), F.pad(second, (0, missing))
    return Perceptrons(first, first_bias, second, second_bias)


def _turned(parameters: list[Tensor]) -> Perceptrons:
    """The same with matrices in the order in which ``experts`` reads them: it turns none."""
    hidden, channels = parameters[0].shape
    number, wide = len(parameters) // 4, hidden + -hidden % LANES
    first = parameters[0].new_zeros(number, channels, wide)
    second, bias = first.new_zeros(number, wide, channels), first.new_zeros(number, wide)
    for index in range(number):
        one, shift, other, _ = parameters[4 * index : 4 * index + 4]
        # Turned as a whole, then laid out row by row: torch turns no part of a matrix fast.
        first[index, :, :hidden] = one.t().contiguous()
        second[index, :hidden] = other.t()
        bias[index, :hidden] = shift
    return Perceptrons(
        first.transpose(1, 2), bias, second.transpose(1, 2), torch.stack(parameters[3::4])
    )


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B H W, C), contiguous."""
    return x.detach().permute(0, 2, 3, 1).contiguous().flatten(0, 2)


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """(B H W, C) -> (B, C, H, W)."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)
