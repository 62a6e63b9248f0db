"""M2Restore's router."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.expert_load import counted_load, expected_load
from irbox.layers.fused import layers as fused
from irbox.layers.fused.experts import route
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.shared_noise import coin_flips, normal_noise
from irbox.layers.top_k import Normalize, counted_top_k, top_k_weights
from irbox.registry import ROUTERS
from irbox.structures import Context, Routing, Stage
from irbox.utils.bounded import NonNegativeFloat
from irbox.utils.precision import full_precision


@ROUTERS.register_module()
class NoisyTopKRouter(nn.Module):
    """Prompt- and prior-guided routing of each pixel (M2Restore, Eq. 3-11).

    ``S = [x; p] W_g + alpha * (d_g W_b)``; in training noise with a learned strength is added, in
    evaluation none; the ``top_k`` best experts of each pixel share its weight. Without a prompt or
    a prior in the network its term is left out. Everything is computed in float32.

    Args:
        stage: Where the router sits.
        num_experts: N.
        top_k: K, experts per pixel.
        noise_mask: ``'bernoulli'``: noise reaches an expert of an image with probability 0.5 (Eq.
            8-9). ``'none'``: noise reaches every entry (public code).
        noise_eps: Smallest noise strength: 0 (Eq. 7) or 0.01 (public code).
        alpha: ``'vector'``: a coefficient per expert (Eq. 6). ``'scalar'``: one (public code).
            Starts at 0.5.
        bias_in_prior: Give the prior's projection a bias (public code; Eq. 5 has none).
        normalize: See ``top_k_weights``; ``'selected'`` in text and public code, ``'printed'`` is
            Eq. 10-11 to the letter.
        load: ``'count'``: how often each expert is selected (text). ``'corrected'``: in training,
            the smooth estimate of noisy top-k gating. ``'official'``: the public code's version of
            it, which compares scores *without* the prior's bias with thresholds *with* it. In
            evaluation all count.
    """

    def __init__(
        self,
        stage: Stage,
        num_experts: int,
        top_k: int,
        noise_mask: Literal['bernoulli', 'none'] = 'bernoulli',
        noise_eps: NonNegativeFloat = 0.0,
        alpha: Literal['vector', 'scalar'] = 'vector',
        bias_in_prior: bool = False,
        normalize: Normalize = 'selected',
        load: Literal['count', 'corrected', 'official'] = 'count',
    ) -> None:
        super().__init__()
        self.num_experts, self.top_k = num_experts, top_k
        self.noise_mask, self.noise_eps = noise_mask, noise_eps
        self.normalize, self.load = normalize, load
        joint = stage.dim * (2 if stage.prompt_dim else 1)
        self.prompt = nn.Linear(stage.prompt_dim, stage.dim) if stage.prompt_dim else None
        self.score = nn.Linear(joint, num_experts, bias=False)
        self.noise = nn.Linear(joint, num_experts, bias=False)
        nn.init.zeros_(self.noise.weight)
        self.prior_bias: nn.Linear | None = None
        if stage.num_degradations:
            self.prior_bias = nn.Linear(stage.num_degradations, num_experts, bias=bias_in_prior)
            self.alpha = nn.Parameter(torch.full((num_experts if alpha == 'vector' else 1,), 0.5))

    def forward(self, x: Tensor, context: Context) -> Routing:
        """Route each pixel of (B, C, H, W)."""
        ours = type(self).forward is NoisyTopKRouter.forward and not self.training
        if ours and self.normalize == 'selected' and can_run_fused(x, self):
            with full_precision(x):
                return self._fused(x, context)
        with full_precision(x):
            pixels = x.permute(0, 2, 3, 1).float()
            prompt: Tensor | None = None
            if self.prompt is not None:
                assert context.prompt is not None
                prompt = self.prompt(context.prompt.float())
            layers = [self.score, self.noise] if self.training else [self.score]
            # In one product: the map is read once.
            score, *noises = self._project(layers, pixels, prompt)
            biased = score
            if self.prior_bias is not None:
                assert context.prior is not None
                bias = self.alpha * self.prior_bias(context.prior.probabilities.float())
                biased = score + bias[:, None, None]
            noisy, sigma = biased, None
            for noise in noises:
                # Flat, since torch.compile is mistaken about the strides of its gradient otherwise.
                sigma = F.softplus(noise.flatten(0, 2)).view_as(noise) + self.noise_eps
                noisy = biased + self._mask(biased) * sigma * normal_noise(biased)
            if self.normalize == 'selected' and self._counts(sigma):
                weights, load = counted_top_k(noisy, self.top_k)
                # No view: wrappers of modules warn of those among answers.
                weights = weights.permute(0, 3, 1, 2).clone()
            else:
                weights = top_k_weights(noisy.permute(0, 3, 1, 2), self.top_k, self.normalize)
                load = self._load(score if self.load == 'official' else biased, noisy, sigma)
        top_k = self.top_k if self.normalize == 'selected' else None
        return Routing(weights=weights, load=load, top_k=top_k)

    def _fused(self, x: Tensor, context: Context) -> Routing:
        """The same in evaluation by fused kernels."""
        dim, bias = x.shape[1], None
        if self.prompt is not None:
            assert context.prompt is not None
            prompt = fused.project(context.prompt.float(), self.prompt, halves=False)
            bias = fused.multiply(prompt, self.score.weight[:, dim:], None, halves=False)
        if self.prior_bias is not None:
            assert context.prior is not None
            beliefs, layer = context.prior.probabilities.float(), self.prior_bias
            alpha = self.alpha.expand(self.num_experts).contiguous()
            bias = fused.multiply(
                beliefs, layer.weight, layer.bias, halves=False,
                factor=alpha.expand(len(x), -1), base=bias,
            )  # fmt: skip
        logits = fused.multiply(fused.rows_of(x), self.score.weight[:, :dim], None, halves=False)
        return route(logits, x, self.top_k, 'selected', bias)

    @staticmethod
    def _project(
        layers: list[nn.Linear], pixels: Tensor, prompt: Tensor | None
    ) -> tuple[Tensor, ...]:
        """``[x; p] W`` of each layer, the prompt not laid out over the pixels: (B, H, W, N)."""
        weights = [layer.weight for layer in layers]
        weight = weights[0] if len(weights) == 1 else torch.cat(weights)
        of_pixels, *of_prompt = torch.split(weight, pixels.shape[-1], dim=1)
        answer = F.linear(pixels, of_pixels)
        if prompt is not None:
            answer = answer + F.linear(prompt, of_prompt[0])[:, None, None]
        return answer.chunk(len(layers), dim=-1)

    def _mask(self, scores: Tensor) -> Tensor | float:
        """(B, 1, 1, N): which experts of an image are disturbed (Eq. 8)."""
        if self.noise_mask == 'none':
            return 1.0
        return coin_flips(scores[:, :1, :1])

    def _load(self, clean: Tensor, noisy: Tensor, sigma: Tensor | None) -> Tensor:
        """How often each expert is selected (N,), or how probable that is under fresh noise."""
        if sigma is None or self._counts(sigma):
            return counted_load(noisy, self.top_k)
        return expected_load(clean, noisy, sigma, self.top_k)

    def _counts(self, sigma: Tensor | None) -> bool:
        """Tell whether the load is a count."""
        return self.load == 'count' or sigma is None or self.top_k == self.num_experts
