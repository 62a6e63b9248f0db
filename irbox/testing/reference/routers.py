"""Routers that lay out over the map what is known about the image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.expert_load import expected_load
from irbox.routers.contextual_prior_router import ContextualPriorRouter
from irbox.routers.noisy_top_k_router import NoisyTopKRouter
from irbox.routers.pixel_router import PixelRouter
from irbox.structures import Context, Routing
from irbox.testing.reference.twins import twin_of, wide
from irbox.utils.precision import full_precision


def best(scores: Tensor, top_k: int) -> Tensor:
    """Mark the ``top_k`` largest of (..., N) by True."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    return chosen.scatter(-1, scores.topk(top_k, dim=-1).indices, True)


def counts(chosen: Tensor, like: Tensor) -> Tensor:
    """Count how often each expert of (..., N) was chosen, (N,)."""
    return chosen.flatten(0, -2).sum(0).to(like.dtype)


def maps(pixels: Tensor) -> Tensor:
    """(B, H, W, N) -> (B, N, H, W)."""
    return pixels.permute(0, 3, 1, 2)


def _drawn_for_a_map(logits: Tensor) -> Tensor:
    """Noise for (B, H, W, N), drawn in the order of a map's channels."""
    return torch.randn(maps(logits).shape, device=logits.device).permute(0, 2, 3, 1)


def softmax_of_best(scores: Tensor, top_k: int, normalize: str = 'selected') -> Tensor:
    """Softmax over the best of (..., N); the others get 0, or the exponential of 0 as printed."""
    others = 0.0 if normalize == 'printed' else -torch.inf
    return scores.masked_fill(~best(scores, top_k), others).softmax(-1)


@twin_of(NoisyTopKRouter)
class TextbookNoisyTopKRouter(NoisyTopKRouter):
    """``S = [x; p] W_g + alpha * (d_g W_b)``, noise, the best K (M2Restore, Eq. 3-11)."""

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            joint = wide(x).permute(0, 2, 3, 1)
            if self.prompt is not None:
                assert context.prompt is not None
                prompt = self.prompt(context.prompt.to(joint))[:, None, None]
                joint = torch.cat([joint, prompt.expand(*joint.shape[:3], -1)], dim=-1)
            score = self.score(joint)
            biased = score
            if self.prior_bias is not None:
                assert context.prior is not None
                bias = self.prior_bias(context.prior.probabilities.to(joint))
                biased = score + self.alpha * bias[:, None, None]
            noisy, sigma = biased, None
            if self.training:
                sigma = F.softplus(self.noise(joint)) + self.noise_eps
                disturbed = torch.ones_like(biased[:, :1, :1])
                if self.noise_mask == 'bernoulli':
                    disturbed = torch.bernoulli(disturbed / 2)
                noisy = biased + disturbed * sigma * torch.randn_like(biased)
            weights = softmax_of_best(noisy, self.top_k, self.normalize)
            if self.load == 'count' or sigma is None or self.top_k == self.num_experts:
                load = counts(best(noisy, self.top_k), noisy)
            else:
                clean = score if self.load == 'official' else biased
                load = expected_load(clean, noisy, sigma, self.top_k)
        return Routing(weights=maps(weights), load=load)


@twin_of(ContextualPriorRouter)
class TextbookContextualPriorRouter(ContextualPriorRouter):
    """DACP and the scores of DGEA, ``softmax(W_r [P; LN(x)])`` (M2IR, Eq. 3-5)."""

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            x = wide(x)
            joint = self.norm(x)
            if self.embed is not None:
                assert context.prior is not None
                prior = [context.prior.features, context.prior.probabilities]
                belief = self.embed(torch.cat(prior, dim=1).to(x))
                query = belief[:, :, None, None].expand_as(x).contiguous()
                joint = torch.cat([self.project(self.attend(query, x)), joint], dim=1)
            logits = self.score(joint).permute(0, 2, 3, 1)
            noisy, sigma = logits, None
            if self.noise is not None and self.training:
                sigma = F.softplus(self.noise(joint).permute(0, 2, 3, 1))
                noisy = logits + sigma * _drawn_for_a_map(logits)
            scores = noisy.softmax(-1)
            chosen = best(scores, self.top_k)
            if self.score_mode == 'single':
                kept = scores * chosen
                weights = kept / kept.sum(-1, keepdim=True)
                shared = torch.ones_like(scores[..., :1])
            else:
                again = torch.cat([scores, torch.ones_like(scores[..., :1])], dim=-1).softmax(-1)
                weights, shared = again[..., :-1] * chosen, again[..., -1:]
            if sigma is not None and self.top_k < self.num_experts:
                load = expected_load(logits, noisy, sigma, self.top_k)
            else:
                load = counts(best(noisy, self.top_k), scores)
                if self.load == 'straight_through':
                    soft = scores.sum((0, 1, 2))
                    load = load + soft - soft.detach()
        return Routing(weights=maps(weights), load=load, scores=maps(scores), shared=maps(shared))


@twin_of(PixelRouter)
class TextbookPixelRouter(PixelRouter):
    """A linear layer and the best K."""

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        with full_precision(x):
            scores = self.score(wide(x)).permute(0, 2, 3, 1)
            weights = softmax_of_best(scores, self.top_k)
            load = counts(best(scores, self.top_k), scores)
        return Routing(weights=maps(weights), load=load)
