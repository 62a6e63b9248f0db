"""A prior that knows nothing, for tests and for ablations without knowledge."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.registry import PRIORS
from irbox.structures import DegradationPrior
from irbox.utils.bounded import PositiveInt
from irbox.utils.precision import full_precision


@PRIORS.register_module()
class FrozenRandomPrior(nn.Module):
    """Fixed random projections of the image shrunk to 8x8: a stand-in for a pretrained prior.

    It is a function of the image alone, the same in every process with the same ``seed``, and has
    no trainable weight.

    Args:
        num_degradations: D.
        feature_dim: F.
        seed: Seed of the projections.
    """

    features: Tensor
    content: Tensor
    classes: Tensor

    def __init__(
        self, num_degradations: PositiveInt, feature_dim: PositiveInt = 512, seed: int = 0
    ) -> None:
        super().__init__()
        self.feature_dim, self.num_degradations = feature_dim, num_degradations
        generator = torch.Generator().manual_seed(seed)
        size = 3 * 8 * 8
        for name, rows in (
            ('features', feature_dim),
            ('content', feature_dim),
            ('classes', num_degradations),
        ):
            weight = torch.randn(rows, size, generator=generator) / size**0.5
            self.register_buffer(name, weight, persistent=False)

    @torch.no_grad()
    def forward(self, image: Tensor) -> DegradationPrior:
        """Describe images (B, 3, H, W) in 0 to 1."""
        pixels = F.adaptive_avg_pool2d(image.float(), 8).flatten(1) - 0.5
        with full_precision(image):
            return DegradationPrior(
                features=pixels @ self.features.T,
                probabilities=(pixels @ self.classes.T).softmax(-1),
                content=pixels @ self.content.T,
            )
