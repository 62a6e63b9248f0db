"""Experts, and what a routing makes of their answers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from irbox.layers.fused import experts as fused
from irbox.layers.mixture_gradient import can_mix_by_kernels, mix
from irbox.layers.mixture_in_blocks import can_mix_in_blocks, mix_in_blocks
from irbox.layers.strips import can_run_in_strips, pixels_in_strip
from irbox.structures import Routing

Combine = Literal['sum', 'logexp']
ROUTED = 2
"""Maps as wide as the input that pixels taken together may fill: those of an expert are wider, but
few."""
WAITLESS = ('cuda',)
"""Devices whose host does not wait, while experts learn, for how many pixels each of them gets."""


class MixtureOfExperts(nn.Module):
    """Weighted combination of expert answers (M2Restore Eq. 10-11, M2IR Eq. 5-6).

    Examples:
        >>> weights = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        >>> routing = Routing(weights=weights, load=torch.ones(2))
        >>> mixture = MixtureOfExperts([nn.Identity(), nn.Conv2d(8, 8, 3, padding=1)])
        >>> mixture(torch.ones(1, 8, 4, 4), routing).shape
        torch.Size([1, 8, 4, 4])

    Where every expert treats each pixel alone (``pointwise = True``) only the pixels routed to an
    expert are gathered for it; otherwise, and while compiling or exporting, every expert sees the
    whole map. Both ways give the same answer. Experts that learn on a CUDA device get their pixels
    in blocks of one size, or see the whole map where they are no perceptrons that are alike.

    Args:
        experts: N modules (B, C, H, W) -> (B, C, H, W).
        combine: ``'sum'``: ``sum_n w_n E_n(x)``. ``'logexp'``: ``log sum_n w_n exp(E_n(x))``, what
            M2Restore's public code computes, here with the maximum taken out, so that no precision
            overflows.
        shared: An expert that every pixel visits, whatever it was routed to; its answer, weighted
            by ``routing.shared``, is added to the others'.
    """

    def __init__(
        self,
        experts: Iterable[nn.Module],
        combine: Combine = 'sum',
        shared: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.shared = shared
        self.combine = combine
        self.pointwise = all(getattr(expert, 'pointwise', False) for expert in self.experts)
        self.skips_experts = self.pointwise

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """Combine the experts' answers.

        Args:
            x: (B, C, H, W).
            routing: With weights (B, N, H, W).

        Returns:
            (B, C, H, W) in the dtype of ``x``.
        """
        if type(self).forward is MixtureOfExperts.forward and fused.can_mix(self, x, routing):
            return fused.mix(self, x, routing).to(x.dtype)
        out = self._weigh(x, routing)
        if self.shared is not None:
            answer = self.shared(x).float()
            out = out + (answer if routing.shared is None else routing.shared * answer)
        return out.to(x.dtype)

    def add_to(self, x: Tensor, routing: Routing) -> Tensor:
        """Compute ``x + self(x, routing)``, (B, C, H, W) -> same shape."""
        if type(self).forward is MixtureOfExperts.forward and fused.can_mix(self, x, routing):
            return fused.mix(self, x, routing, base=x)
        plain = type(self).forward is MixtureOfExperts.forward and self.shared is None
        if plain and can_mix_by_kernels(self, x):
            return mix(self, x, routing.weights, adds=True)
        answer: Tensor = x + self(x, routing)
        return answer

    def _weigh(self, x: Tensor, routing: Routing) -> Tensor:
        """What the routed experts make of a map together, float32."""
        weights, top_k = routing.weights, routing.top_k
        if can_mix_by_kernels(self, x):
            return mix(self, x, weights, adds=False)
        sparse = self.pointwise and not torch.compiler.is_compiling() and not x.is_meta
        if sparse and x.device.type in WAITLESS and torch.is_grad_enabled():
            if top_k is not None and can_mix_in_blocks(self):
                return mix_in_blocks(self, x, weights, top_k)
            sparse = False
        return self.one_by_one(x, weights) if sparse else self._dense(x, weights)

    def _dense(self, x: Tensor, weights: Tensor) -> Tensor:
        answers = torch.stack([expert(x).float() for expert in self.experts], dim=1)
        weights = weights.unsqueeze(2)
        if self.combine == 'sum':
            return (weights * answers).sum(1)
        # The logarithm of zero has an infinite gradient, which times zero is not a number.
        unused = weights == 0
        shares = weights.masked_fill(unused, 1).log().masked_fill(unused, -torch.inf)
        return torch.logsumexp(answers + shares, dim=1)

    def one_by_one(self, x: Tensor, weights: Tensor) -> Tensor:
        """Ask experts for their own pixels, one after the other: (B, C, H, W), float32.

        Args:
            x: (B, C, H, W).
            weights: (B, N, H, W).
        """
        batch, dim, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, dim)
        weights = weights.permute(0, 2, 3, 1).reshape(-1, len(self.experts))
        if can_run_in_strips(x, self):
            length = pixels_in_strip(ROUTED * dim, x.dtype)
            out = pixels.new_empty(pixels.shape, dtype=torch.float32)
            for start in range(0, len(pixels), length):
                rows = slice(start, start + length)
                out[rows] = self._mix(pixels[rows], weights[rows])
        else:
            out = self._mix(pixels, weights)
        return out.view(batch, height, width, dim).permute(0, 3, 1, 2)

    def _mix(self, pixels: Tensor, weights: Tensor) -> Tensor:
        """Mix what the experts make of pixels (P, C), routed by (P, N): (P, C), float32.

        All are gathered at once, in the order of the experts: a device is waited for twice, not
        once per expert. What comes back goes to the first, second, ... place of its pixel.
        """
        # Expert by expert: along pixels that lie next to each other devices count fast, and in the
        # few experts of a pixel they do not.
        used = (weights != 0).t().contiguous()
        expert, pixel = used.nonzero().unbind(1)
        order = used.cumsum(0, dtype=torch.int32)  # of an expert among those of its pixel, from 1
        *counts, places = torch.cat([used.sum(1), order[-1].amax().view(1)]).tolist()
        chosen = torch.split(pixels.index_select(0, pixel), counts)
        # An expert that no pixel chose still runs, on no pixels, so that its weights get a gradient
        # of zero: distributed training waits for every gradient.
        answers = torch.cat(
            [_ask(module, part) for module, part in zip(self.experts, chosen, strict=True)]
        )
        weight = weights[pixel, expert].unsqueeze(1)
        adds = self.combine == 'sum'
        shares = weight * answers if adds else answers + weight.log()
        size = max(places, 1), *pixels.shape
        place = (order[expert, pixel].long() - 1) * len(pixels) + pixel
        found = shares.new_full(size, 0 if adds else -torch.inf)
        parts = found.flatten(0, 1).index_copy_(0, place, shares).view(size).unbind(0)
        return reduce(torch.add if adds else torch.logaddexp, parts)


def _ask(expert: nn.Module, pixels: Tensor) -> Tensor:
    """Give an expert's answer to pixels, (P, C) -> same shape, float32."""
    answer: Tensor = expert(pixels.view(1, -1, 1, pixels.shape[1]).permute(0, 3, 1, 2))
    return answer.permute(0, 2, 3, 1).reshape(pixels.shape).float()
