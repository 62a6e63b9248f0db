"""A router that gives every expert a limited number of pixels.

plugins: [plugins/capacity_router.py]
model:
  network:
    encoder: {before_level: {top_k: 1, router: {_delete_: true, type: CapacityRouter}}}
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import ROUTERS
from irbox.structures import Context, Routing, Stage
from irbox.utils.precision import full_precision


@ROUTERS.register_module()
class CapacityRouter(torch.nn.Module):
    """Switch routing: each pixel's best expert, as long as that one has room (Fedus et al., 2022).

    ``p = softmax(W x)``; a pixel goes to the expert of its largest ``p`` and weighs its answer by
    ``p``, from where the gradient comes. In training an expert takes at most ``ceil(capacity * K *
    H * W / N)`` pixels of an image, those that want it most; the others turn to the best of the
    experts that have room (the paper's No-Token-Left-Behind, its appendix B), so that no expert can
    take everything and none is left without gradient. With ``top_k`` above 1 the pixels choose a
    second time, and so on. ``scores`` is ``p``, which ``BalanceLoss`` judges.

    Args:
        stage: Where the router sits; it uses neither prior nor prompt.
        num_experts: N.
        top_k: K, experts per pixel; 1 in the paper.
        capacity: Room of an expert, as a multiple of an even share; 1 or more, so that every pixel
            finds a place.
        evaluation_capacity: The same in evaluation. None: no limit, so that a pixel's expert does
            not depend on which other pixels the image, or its tile, happens to have.

    Raises:
        ValueError: A capacity is below 1.

    Note:
        The paper limits evaluation as well, gives room by the order of tokens and adds noise to the
        input; images have no order, and here no noise is added.
    """

    def __init__(
        self,
        stage: Stage,
        num_experts: int,
        top_k: int,
        capacity: float = 1.25,
        evaluation_capacity: float | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ('capacity', capacity),
            ('evaluation_capacity', evaluation_capacity),
        ):
            if value is not None and value < 1:
                raise ValueError(f'{name}={value} leaves pixels without a place. Give 1 or more.')
        self.top_k, self.capacity, self.evaluation_capacity = top_k, capacity, evaluation_capacity
        self.score = PointwiseConv2d(stage.dim, num_experts, bias=False)

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            scores = self.score(x.float()).softmax(1)
            capacity = self.capacity if self.training else self.evaluation_capacity
            chosen = self._place(scores.detach().flatten(2), capacity).view_as(scores)
        return Routing(weights=scores * chosen, load=chosen.sum((0, 2, 3)), scores=scores)

    def _place(self, wish: Tensor, capacity: float | None) -> Tensor:
        """Choose experts for pixels: (B, N, P) probabilities -> (B, N, P), 1 where chosen."""
        experts, pixels = wish.shape[1:]
        if capacity is None:
            return torch.zeros_like(wish).scatter(1, wish.topk(self.top_k, dim=1).indices, 1.0)
        room = min(math.ceil(capacity * self.top_k * pixels / experts), pixels)
        taken = torch.zeros_like(wish)
        for choice in range(1, self.top_k + 1):
            # Whoever finds no place has filled an expert: after one round per expert all have one.
            for _ in range(experts):
                left = room - taken.sum(2, keepdim=True)
                seeks = taken.sum(1, keepdim=True) < choice
                allowed = seeks & (taken == 0) & (left > 0)
                open_wish = wish.masked_fill(~allowed, -1)
                best = open_wish == open_wish.amax(1, keepdim=True)
                # The first of equals, and nothing where no expert is allowed.
                best = best & (best.cumsum(1) == 1) & allowed
                order = wish.masked_fill(~best, -1).argsort(dim=2, descending=True, stable=True)
                taken = taken + (best & (order.argsort(2) < left)).float()
        return taken
