"""A prior that is learned with the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.registry import PRIORS
from irbox.structures import DegradationPrior


@PRIORS.register_module()
class MLPPrior(nn.Module):
    """A perceptron on pooled image statistics, trained with the network (cf. M2IR, Table VII).

    Three strided convolutions see the image; mean and standard deviation of their maps over the
    image feed a perceptron that gives an embedding, and class probabilities by a softmax. Both
    statistics are needed: haze and darkness move the mean, noise and rain the deviation. With
    ``DegradationLabelLoss`` the probabilities learn the names of the degradations; without, they
    are free.

    Args:
        num_degradations: D.
        feature_dim: F; 512 is the size of DA-CLIP's embeddings.
        width: Channels of the first convolution, doubled by each of the two that follow.
    """

    def __init__(self, num_degradations: int, feature_dim: int = 512, width: int = 16) -> None:
        super().__init__()
        self.feature_dim, self.num_degradations = feature_dim, num_degradations
        self.convs = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.embed = nn.Sequential(
            nn.LayerNorm(8 * width), nn.Linear(8 * width, feature_dim), nn.GELU()
        )
        self.features = nn.Linear(feature_dim, feature_dim)
        self.content = nn.Linear(feature_dim, feature_dim)
        self.classify = nn.Linear(feature_dim, num_degradations)

    def forward(self, image: Tensor) -> DegradationPrior:
        """Describe images (B, 3, H, W) in 0 to 1."""
        maps = self.convs(image).float().flatten(2)
        # The small constant keeps the gradient of the root finite where a map is flat.
        deviation = (maps.var(2, unbiased=False) + 1e-6).sqrt()
        embedding = self.embed(torch.cat([maps.mean(2), deviation], dim=1))
        features = self.features(embedding)
        return DegradationPrior(
            features=features.float(),
            probabilities=self.classify(embedding).float().softmax(-1),
            content=self.content(embedding).float(),
        )
