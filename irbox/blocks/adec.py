"""M2IR's routed and shared experts."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.depthwise_conv import DepthwiseConv
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.registry import BLOCKS, EXPERTS, ROUTERS
from irbox.structures import Context, Stage
from irbox.utils.bounded import PositiveInt


@BLOCKS.register_module()
class ADEC(nn.Module):
    """Adaptive degradation expert collaboration (M2IR, Sec. III-C, Eq. 3-7).

    Each pixel visits its best experts and the shared one; their weighted sum ``X'`` is fused by
    ``CA(x, fuse(W'd X'))``, where ``x`` asks by channel attention. ``router`` gives the ``Routing``
    to a forward hook.

    Args:
        stage: Where the block sits.
        router: Config of a router.
        expert: Config of an expert.
        fuse: Config of a block, MST in the paper.
        shared_expert: Config of the expert that every pixel visits; without it there is none.
        num_experts: N, the shared one not counted.
        top_k: K, experts per pixel, the shared one not counted.
        residual: ``'add'``: ``x + CA``. ``'none'``: Eq. 7 as printed, which cuts the deep path off
            early in training: its answer starts below a hundredth of its input. ``'gated'``:
            ``beta * x + alpha * CA`` with ``alpha`` 0 and ``beta`` 1 at the start, as in AdaIR.
        separable: Follow the depthwise ``W'd`` with a 1x1 convolution. The text calls it separable;
            the paper's cost hardly tells.

    Raises:
        ValueError: ``top_k`` is above ``num_experts``.
    """

    def __init__(
        self,
        stage: Stage,
        router: dict[str, Any],
        expert: dict[str, Any],
        fuse: dict[str, Any],
        shared_expert: dict[str, Any] | None = None,
        num_experts: PositiveInt = 4,
        top_k: PositiveInt = 2,
        residual: Literal['add', 'none', 'gated'] = 'add',
        separable: bool = False,
    ) -> None:
        super().__init__()
        if top_k > num_experts:
            raise ValueError(
                f'top_k={top_k} must be between 1 and num_experts={num_experts}. '
                'Lower top_k or add experts.'
            )
        dim = stage.dim
        self.top_k, self.residual = top_k, residual
        self.router = ROUTERS.build(router, stage=stage, num_experts=num_experts, top_k=top_k)
        self.mixture = MixtureOfExperts(
            [EXPERTS.build(expert, dim=dim) for _ in range(num_experts)],
            shared=EXPERTS.build(shared_expert, dim=dim) if shared_expert else None,
        )
        self.dwconv = DepthwiseConv(dim, pointwise=separable)
        self.fuse = BLOCKS.build(fuse, stage=stage)
        self.attend = TransposedCrossAttention(dim, stage.heads)
        if residual == 'gated':
            self.alpha = nn.Parameter(torch.zeros(dim, 1, 1))
            self.beta = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Clean a map by its pixels' experts, (B, C, H, W) -> same shape."""
        routing = self.router(x, context)
        context.record(routing)
        mixed = self.dwconv(self.mixture(x, routing))
        fused = self.fuse(mixed, context)
        if self.residual == 'none':
            answer: Tensor = self.attend(x, fused)
            return answer
        scales = (self.alpha, self.beta) if self.residual == 'gated' else None
        return self.attend.add_to(x, x, fused, scales)
