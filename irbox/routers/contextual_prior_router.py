"""M2IR's router."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.best_scores import best
from irbox.layers.channel_attention import QueryNorm
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.expert_load import counted_load, expected_load
from irbox.layers.fused import layers as fused
from irbox.layers.fused.experts import route
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.shared_noise import normal_noise
from irbox.registry import ROUTERS
from irbox.structures import Context, DegradationPrior, Routing, Stage
from irbox.utils.precision import full_precision


@ROUTERS.register_module()
class ContextualPriorRouter(nn.Module):
    """Routing by the features and by what a prior says of the image, pixel by pixel.

    M2IR, Eq. 3-5 (DACP and the scores of DGEA). The prior's embedding and similarities, laid out
    over the map, ask the features by channel attention; the answer ``P`` and the normalised
    features give ``s' = softmax(W_r [P; LN(x)])`` over the N experts. A second softmax, over ``s'``
    and a 1 for the shared expert, gives the weights, of which the ``top_k`` best and the shared one
    are kept as they are. In a network without a prior, ``P`` is left out. Everything is computed in
    float32.

    The second softmax squeezes: the shared weight lies in 0.322 to 0.346, the others' in 0.118 to
    0.322. It takes no notice of whether the block has a shared expert; ``shared_score`` does.

    Args:
        stage: Where the router sits.
        num_experts: N.
        top_k: K.
        score_mode: ``'double_softmax'`` (Eq. 5), or ``'single'``: the kept ``s'`` divided by their
            sum, and 1 for the shared expert.
        load: ``'hard'``: how often each expert is selected (text), which has no gradient.
            ``'straight_through'``: the same with the gradient of the sum of ``s'``.
            ``'noisy_topk'``: in training the scores before the softmax get noise of a learned
            strength, and the load is the probability of being selected (noisy top-k gating).
        query_norm: How the attention normalises its query, which is the same at every pixel:
            ``'head'``, over the channels of a head together, or ``'channel'``, each by itself as in
            MDTA. The latter keeps nothing of the prior but the signs of its projections, which no
            gradient moves.
        shared_score: Let the second softmax range over a 1 for the shared expert, too. Without it
            the N experts share what there is, as Eq. 5 may be read for a block without a shared
            expert (Table VII, rows 3 and 5); one that is there is added whole.

    Note:
        The paper does not describe its cross-attention. A single token as query gives no map, as
        key a constant one, so that attention across channels is what can be "position-aware". The
        shared expert is added to the best K by its place, not by its score: the score is at least
        as large as any other, but may be equal.
    """

    def __init__(
        self,
        stage: Stage,
        num_experts: int,
        top_k: int,
        score_mode: Literal['double_softmax', 'single'] = 'double_softmax',
        load: Literal['hard', 'straight_through', 'noisy_topk'] = 'hard',
        query_norm: QueryNorm = 'head',
        shared_score: bool = True,
    ) -> None:
        super().__init__()
        dim = stage.dim
        self.num_experts, self.top_k = num_experts, top_k
        self.score_mode, self.load, self.shared_score = score_mode, load, shared_score
        self.norm = LayerNorm2d(dim)
        self.embed: nn.Linear | None = None
        if stage.prior_dim:
            self.embed = nn.Linear(stage.prior_dim + stage.num_degradations, dim, bias=False)
            self.attend = TransposedCrossAttention(dim, stage.heads, query_norm=query_norm)
            self.project = PointwiseConv2d(dim, dim, bias=False)
        joint = dim if self.embed is None else 2 * dim
        self.score = PointwiseConv2d(joint, num_experts, bias=False)
        self.noise: PointwiseConv2d | None = None
        if load == 'noisy_topk':
            self.noise = PointwiseConv2d(joint, num_experts, bias=False)
            nn.init.zeros_(self.noise.weight)

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            x = x.float()
            if self._can_run_fused(x):
                return self._fused(x, context)
            joint = self.norm(x)
            if self.embed is not None:
                assert context.prior is not None
                belief: Tensor = self.embed(_everything(context.prior))
                joint = torch.cat([self._locate(x, belief), joint], dim=1)
            logits = self.score(joint)
            noisy, sigma = logits, None
            if self.noise is not None and self.training:
                sigma = F.softplus(self.noise(joint))
                noisy = logits + sigma * normal_noise(logits)
            scores = noisy.softmax(1)
            weights, shared = self._weigh(scores)
            load = self._load(logits, noisy, sigma, scores)
        return Routing(weights, load, scores, shared, top_k=self.top_k)

    def _can_run_fused(self, x: Tensor) -> bool:
        ours = type(self).forward is ContextualPriorRouter.forward
        noisy = self.noise is not None and self.training
        return ours and not noisy and self.load != 'straight_through' and can_run_fused(x, self)

    def _fused(self, x: Tensor, context: Context) -> Routing:
        """The same by fused kernels."""
        logits, weight = None, self.score.weight.flatten(1)
        if self.embed is not None:
            assert context.prior is not None
            place = fused.rows_of(self._locate(x, self.embed(_everything(context.prior))))
            logits = fused.multiply(place, weight[:, : x.shape[1]], None, halves=False)
        logits = fused.multiply(
            fused.rows_of(x), weight[:, -x.shape[1] :], None, False, self.norm, base=logits
        )
        shared = 'with_shared' if self.shared_score else 'without_shared'
        mode = 'single' if self.score_mode == 'single' else shared
        routing = route(logits, x, self.top_k, mode)
        if routing.shared is None:
            routing = replace(routing, shared=torch.ones_like(routing.weights[:, :1]))
        return routing

    def _locate(self, x: Tensor, belief: Tensor) -> Tensor:
        """What the prior means at each pixel: P of Eq. 3, (B, C, H, W)."""
        query = belief[:, :, None, None].expand_as(x)
        answer: Tensor = self.project(self.attend(query, x))
        return answer

    def _weigh(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the experts, zero where they are not among the best, and of the shared one."""
        kept, index = best(scores, self.top_k, dim=1)
        shared = torch.ones_like(scores[:, :1])
        if self.score_mode == 'single':
            kept = kept / kept.sum(1, keepdim=True)
        elif self.shared_score:
            again = torch.cat([scores, shared], dim=1).softmax(1)
            kept, shared = again.gather(1, index), again[:, -1:]
        else:
            kept = scores.softmax(1).gather(1, index)
        return torch.zeros_like(scores).scatter(1, index, kept), shared

    def _load(self, logits: Tensor, noisy: Tensor, sigma: Tensor | None, scores: Tensor) -> Tensor:
        """How often each expert is selected, (N,)."""
        logits, noisy = logits.permute(0, 2, 3, 1), noisy.permute(0, 2, 3, 1)
        if sigma is not None and self.top_k < self.num_experts:
            return expected_load(logits, noisy, sigma.permute(0, 2, 3, 1), self.top_k)
        load = counted_load(noisy, self.top_k)
        if self.load == 'straight_through':
            soft = scores.sum((0, 2, 3))
            load = load + soft - soft.detach()
        return load


def _everything(prior: DegradationPrior) -> Tensor:
    """Lay features and probabilities side by side, (B, F + D), float32."""
    return torch.cat([prior.features, prior.probabilities], dim=1).float()
