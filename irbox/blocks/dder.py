"""M2Restore's routed experts."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from irbox.layers.mixture_of_experts import Combine, MixtureOfExperts
from irbox.registry import BLOCKS, EXPERTS, ROUTERS
from irbox.structures import Context, Stage
from irbox.utils.bounded import PositiveInt


@BLOCKS.register_module()
class DDER(nn.Module):
    """Degradation-aware dynamic expert routing: ``x + mixture(x, router(x))`` (M2Restore III-B).

    Args:
        stage: Where the block sits.
        router: Config of a router.
        expert: Config of an expert.
        num_experts: N.
        top_k: K, experts per pixel.
        combine: How the experts' answers are combined: ``'sum'`` (paper: a weighted selection) or
            ``'logexp'`` (public code), see ``MixtureOfExperts``.

    Raises:
        ValueError: ``top_k`` is above ``num_experts``.

    Note:
        The public code calls this class ``MCDB``, a name that the paper gives to the bottleneck.
    """

    def __init__(
        self,
        stage: Stage,
        router: dict[str, Any],
        expert: dict[str, Any],
        num_experts: PositiveInt = 6,
        top_k: PositiveInt = 2,
        combine: Combine = 'sum',
    ) -> None:
        super().__init__()
        if top_k > num_experts:
            raise ValueError(
                f'top_k={top_k} must be between 1 and num_experts={num_experts}. '
                'Lower top_k or add experts.'
            )
        self.top_k = top_k
        self.router = ROUTERS.build(router, stage=stage, num_experts=num_experts, top_k=top_k)
        experts = [EXPERTS.build(expert, dim=stage.dim) for _ in range(num_experts)]
        self.mixture = MixtureOfExperts(experts, combine)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Let each pixel's experts add to it, (B, C, H, W) -> same shape."""
        routing = self.router(x, context)
        context.record(routing)
        return self.mixture.add_to(x, routing)
