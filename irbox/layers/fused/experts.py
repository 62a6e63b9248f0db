"""Routers and routed experts as calls of a few operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from irbox.layers.fused import routing_operators as operators
from irbox.layers.fused.layers import map_of, project, rows_of
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.plain import are_perceptrons
from irbox.layers.strips import computing_dtype
from irbox.structures import Routing
from irbox.triton_kernels.sizes import ROUTES

if TYPE_CHECKING:
    from irbox.layers.mixture_of_experts import MixtureOfExperts


def route(
    logits: Tensor, like: Tensor, top_k: int, mode: str, image_bias: Tensor | None = None
) -> Routing:
    """Route the pixels of a map by their logits: two launches.

    Args:
        logits: (B H W, N).
        like: A map (B, C, H, W) of the same size.
        top_k: K.
        mode: One of ``sizes.ROUTES``.
        image_bias: (B, N) or (1, N), added to the logits of an image, or None.

    Returns:
        With scores in all modes but ``'selected'``, with the shared expert's weights in
        ``'with_shared'``.
    """
    if image_bias is not None and len(image_bias) != len(like):  # tiles share what is known
        image_bias = image_bias.expand(len(like), -1).contiguous()
    weights, shared, scores, counts = operators.route(
        logits, image_bias, len(like), top_k, ROUTES[mode]
    )
    return Routing(
        weights=map_of(weights, like),
        load=counts.sum(0),
        scores=map_of(scores, like) if len(scores) else None,
        shared=map_of(shared, like) if len(shared) else None,
        top_k=top_k,
    )


def can_mix(mixture: MixtureOfExperts, x: Tensor, routing: Routing) -> bool:
    """Tell whether ``mix`` may be called: all experts are alike, perceptrons of two layers."""
    if not can_run_fused(x, mixture):
        return False
    everyone = [*mixture.experts, *([] if mixture.shared is None else [mixture.shared])]
    return (
        routing.top_k is not None
        and are_perceptrons(everyone)
        and len({expert.fc1.weight.shape for expert in mixture.experts}) == 1  # type: ignore[union-attr]
    )


def mix(
    mixture: MixtureOfExperts, x: Tensor, routing: Routing, base: Tensor | None = None
) -> Tensor:
    """Compute ``mixture(x, routing)``, with a base added to it: five launches, two more if shared.

    No host waits for how many pixels an expert gets.
    """
    rows, halves = rows_of(x), computing_dtype(x) == torch.bfloat16
    order, places, experts = operators.expert_order(routing.weights, routing.top_k)
    first, second = _stacked(mixture)
    hidden = operators.ask_experts(rows, order, experts, *first, True, halves)
    answers = operators.ask_experts(hidden, order, experts, *second, False, halves)
    added: Tensor | None = None
    shares = None if routing.shared is None else rows_of(routing.shared)
    if mixture.shared is not None:
        shared: Any = mixture.shared
        added = project(project(rows, shared.fc1, halves, activation='gelu'), shared.fc2, halves)
    mixed: Tensor = operators.mix_experts(
        answers, places, experts, routing.weights, added, None if added is None else shares,
        None if base is None else rows_of(base), mixture.combine == 'sum',
    )  # fmt: skip
    return map_of(mixed, x)


def _stacked(mixture: MixtureOfExperts) -> list[tuple[Tensor, Tensor]]:
    """Lay the experts' weights and biases of both layers side by side: one launch."""
    layers: list[list[nn.Linear]] = [
        [getattr(expert, name) for expert in mixture.experts] for name in ('fc1', 'fc2')
    ]
    parts = [[one.weight for one in layer] for layer in layers]
    parts += [[one.bias for one in layer] for layer in layers]
    joined = torch.cat([one.flatten() for part in parts for one in part])
    sizes = [len(part) * part[0].numel() for part in parts]
    stacked = [
        flat.view(len(part), *part[0].shape)
        for flat, part in zip(torch.split(joined, sizes), parts, strict=True)
    ]
    return list(zip(stacked[:2], stacked[2:], strict=True))
