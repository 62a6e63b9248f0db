"""One expert for each image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.structures import Routing
from irbox.utils.precision import full_precision


class ImageRouter(nn.Module):
    """Chooses the best of N experts for each image: noisy top-1 gating.

    ``logits = W mean(x) + W' F``; in training noise of standard deviation 1/N is added. The chosen
    expert keeps its share of the softmax over all. The routing reports what the balance loss is
    about: as scores the softmax without noise, times each expert's complexity; as load each
    expert's probability to be chosen under fresh noise, averaged over the images.

    Args:
        dim: Channels of ``x``.
        embedding_dim: Size of ``F``, 0 for none.
        complexity: How expensive each expert is; 1 is the most expensive.
        noise_in_evaluation: Add the noise in evaluation too, as the public code does: an image is
            then restored differently every time.
    """

    complexity: Tensor

    def __init__(
        self,
        dim: int,
        embedding_dim: int,
        complexity: Sequence[float],
        noise_in_evaluation: bool = False,
    ) -> None:
        super().__init__()
        num_experts = len(complexity)
        self.noise_in_evaluation = noise_in_evaluation
        self.score = nn.Linear(dim, num_experts, bias=False)
        self.score_embedding = (
            nn.Linear(embedding_dim, num_experts, bias=False) if embedding_dim else None
        )
        # It follows from the experts and is no weight.
        self.register_buffer('complexity', torch.tensor(complexity), persistent=False)

    def forward(self, x: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor, Routing]:
        """Route (B, C, H, W) by its mean and (B, embedding_dim).

        Returns:
            Number of each image's expert (B,), that expert's weight (B,), and the routing.
        """
        with full_precision(x):
            clean = self.score(x.float().mean((2, 3)))
            if self.score_embedding is not None:
                assert embedding is not None
                clean = clean + self.score_embedding(embedding.float())
            batch, num_experts = clean.shape
            noisy = clean
            if self.training or self.noise_in_evaluation:
                noisy = clean + torch.randn_like(clean) / num_experts
            weight, index = noisy.softmax(1).max(1)
            chosen = F.one_hot(index, num_experts) * weight.unsqueeze(1)
            best = noisy.amax(1, keepdim=True)
            load = torch.special.ndtr((clean - best) * num_experts).mean(0)
            scores = clean.softmax(1) * self.complexity
        size = (batch, num_experts, *x.shape[-2:])
        routing = Routing(
            weights=chosen[:, :, None, None].expand(size),
            load=load,
            scores=scores[:, :, None, None].expand(size),
        )
        return index, weight, routing


class ImageMixture(nn.Module):
    """Each image's answer of its one expert, weighted, and a 1x1 convolution.

    In evaluation only experts run that an image of the batch chose, on these images alone. In
    training the others run on no image, so that distributed training finds every gradient. While
    compiling and on the meta device all run on all, with the same answer.

    Args:
        dim: Number of channels.
        experts: Modules (x, shared) -> map.
        router: Chooses.
    """

    skips_experts = True

    def __init__(self, dim: int, experts: Sequence[nn.Module], router: ImageRouter) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.router = router
        self.project_out = PointwiseConv2d(dim, dim, bias=False)

    def forward(
        self, x: Tensor, shared: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Routing]:
        """Answer for two maps (B, C, H, W), the same shape; and the routing."""
        index, weight, routing = self.router(x, embedding)
        dense = torch.compiler.is_compiling() or x.is_meta
        answer = self._dense(x, shared, index) if dense else self._sparse(x, shared, index)
        answer = (weight[:, None, None, None] * answer.float()).to(x.dtype)
        return self.project_out(answer), routing

    def _dense(self, x: Tensor, shared: Tensor, index: Tensor) -> Tensor:
        answer = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            chosen = (index == number)[:, None, None, None]
            answer = torch.where(chosen, expert(x, shared).to(x.dtype), answer)
        return answer

    def _sparse(self, x: Tensor, shared: Tensor, index: Tensor) -> Tensor:
        answer = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = (index == number).nonzero().squeeze(1)
            if len(rows) or self.training:
                one = expert(x.index_select(0, rows), shared.index_select(0, rows))
                answer = answer.index_add(0, rows, one.to(x.dtype))
        return answer
