"""Routing by the feature map alone."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.top_k import top_k_weights
from irbox.registry import ROUTERS
from irbox.structures import Context, Routing, Stage
from irbox.utils.precision import full_precision


@ROUTERS.register_module()
class PixelRouter(nn.Module):
    """Scores from the feature map alone: a linear layer and the ``top_k`` best of each pixel.

    The plainest router, without prompt, prior or noise. M2IR's ablations without DACP keep the two
    softmaxes of its Eq. 4-5 instead: ``ContextualPriorRouter`` in a network without a prior.

    Args:
        stage: Where the router sits.
        num_experts: N.
        top_k: K, experts per pixel.
    """

    def __init__(self, stage: Stage, num_experts: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.score = nn.Conv2d(stage.dim, num_experts, 1)

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            weights = top_k_weights(self.score(x.float()), self.top_k)
        load = (weights > 0).sum((0, 2, 3)).float()
        return Routing(weights=weights, load=load, top_k=self.top_k)
