"""Keeps experts from dying."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context


@LOSSES.register_module()
class BalanceLoss(nn.Module):
    """Squared coefficient of variation of the experts' weight and load, summed over the routers.

    ``Var(w) / (Mean(w)^2 + eps) + Var(s) / (Mean(s)^2 + eps)`` with the unbiased variance, ``w``
    the sum of each expert's weights over all pixels of the batch and ``s`` the load that the router
    reports. Zero when every expert gets the same. A load that is a count has no gradient.

    Args:
        weight: Factor (lambda in Eq. 19).
        eps: Keeps the quotient finite.

    Raises:
        RuntimeError: In training, no part recorded a routing, or one without a gradient: the loss
            would do nothing and say nothing.
    """

    def __init__(self, weight: float = 0.01, eps: float = 1e-10) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge the recorded routings."""
        if not context.routings:
            raise RuntimeError(
                'BalanceLoss found no routing. '
                'Remove the loss (`balance: null`) or add a routing part.'
            )
        total = restored.new_zeros(())
        for number, routing in enumerate(context.routings):
            if torch.is_grad_enabled() and not routing.weights.requires_grad:
                raise RuntimeError(f'The weights of routing {number} carry no gradient.')
            total = total + self._variation(routing.weights.float().sum((0, 2, 3)))
            total = total + self._variation(routing.load.float())
        return self.weight * total

    def _variation(self, amounts: Tensor) -> Tensor:
        if amounts.numel() == 1:
            return amounts.new_zeros(())
        return amounts.var() / (amounts.mean().square() + self.eps)
