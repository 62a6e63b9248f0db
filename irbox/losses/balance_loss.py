"""Keeps experts from dying."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch import distributed as dist

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class BalanceLoss(nn.Module):
    """Squared coefficient of variation of the experts' weight and load, summed over the routers.

    M2Restore Eq. 19, M2IR Eq. 9. ``Var(w) / (Mean(w)^2 + eps) + Var(s) / (Mean(s)^2 + eps)`` with
    the unbiased variance, ``w`` the sum over all pixels of the batch of each expert's weights (of
    its scores before any was selected, where the router gives them) and ``s`` the load that the
    router reports. Zero when every expert gets the same. A load that is a count has no gradient.

    Args:
        weight: Factor (lambda).
        eps: Keeps the quotient finite.
        over: In training on several processes, ``'batch'`` sums over the images of all of them, so
            that the loss is that of one process with the whole batch; ``'process'`` judges each
            process's images by themselves.
        variant: ``'cv2'``, or ``'printed'``: the standard deviation in place of the variance, as in
            M2IR's Eq. 9. The sums grow with the number of pixels, so that it shrinks with the size
            of the images and hardly acts; M2IR's text speaks of the squared coefficient, too.

    Raises:
        ValueError: No part of the network recorded a routing: the loss would do nothing and say
            nothing.
        RuntimeError: In training, a routing has no gradient.
    """

    compares_images = False

    def __init__(
        self,
        weight: NonNegativeFloat = 0.01,
        eps: NonNegativeFloat = 1e-10,
        variant: Literal['cv2', 'printed'] = 'cv2',
        over: Literal['batch', 'process'] = 'batch',
    ) -> None:
        super().__init__()
        self.over = over
        self.weight, self.eps, self.variant = weight, eps, variant

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge the recorded routings."""
        if not context.routings:
            raise ValueError(
                'BalanceLoss found no routing: no part of the network recorded one. Leave the loss '
                'out by setting it to null (`balance: null`), or take a network with a part that '
                'routes, such as DDER or ADEC.'
            )
        amounts = []
        for number, routing in enumerate(context.routings):
            wanted = routing.weights if routing.scores is None else routing.scores
            if torch.is_grad_enabled() and not wanted.requires_grad:
                raise RuntimeError(f'The weights of routing {number} carry no gradient.')
            amounts += [wanted.float().sum((0, 2, 3)), routing.load.float()]
        if self.over == 'batch':
            amounts = _over_processes(amounts)
        total = restored.new_zeros(())
        for one in amounts:
            total = total + self._variation(one)
        return self.weight * total

    def _variation(self, amounts: Tensor) -> Tensor:
        if amounts.numel() == 1:
            return amounts.new_zeros(())
        spread = amounts.var() if self.variant == 'cv2' else amounts.std()
        return spread / (amounts.mean().square() + self.eps)


def _over_processes(amounts: list[Tensor]) -> list[Tensor]:
    """Add up those of all processes, with a gradient that is right once processes are averaged."""
    world = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if world == 1 or not torch.is_grad_enabled():
        return amounts
    own = torch.cat(amounts)
    whole = own.detach().clone()
    dist.all_reduce(whole)
    # The mean of the gradients of all processes, each of its own images alone, is that of the sum.
    whole = whole + world * (own - own.detach())
    return list(torch.split(whole, [one.numel() for one in amounts]))
