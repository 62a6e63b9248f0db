"""A prior that is learned with the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.registry import PRIORS
from irbox.structures import DegradationPrior
from irbox.utils.bounded import PositiveInt


@PRIORS.register_module()
class MLPPrior(nn.Module):
    """A perceptron on pooled image statistics, trained with the network (cf. M2IR, Table VII).

    Mean, standard deviation and maximum of the image and of the maps of three strided convolutions
    feed a perceptron that gives an embedding, and class probabilities by a softmax. Each statistic
    is needed: haze and darkness move the mean, noise and rain the deviation, flakes the maximum;
    and so is each scale, since noise is gone after the first. With ``DegradationLabelLoss`` the
    probabilities learn the names of the degradations; without, they are free.

    ``content`` repeats ``features``: parts read one of the two, and a layer for the other would
    never get a gradient, which distributed training waits for.

    Args:
        num_degradations: D.
        feature_dim: F; 512 is the size of DA-CLIP's embeddings.
        width: Channels of the first convolution, doubled by each of the two that follow.
        labels: Names of the degradations, in the order of the probabilities, for those who ask what
            was learned: those of ``DegradationLabelLoss``.

    Raises:
        ValueError: ``labels`` are not ``num_degradations`` different names.
    """

    def __init__(
        self,
        num_degradations: PositiveInt,
        feature_dim: PositiveInt = 512,
        width: PositiveInt = 24,
        labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if labels is not None and not len(labels) == len(set(labels)) == num_degradations:
            raise ValueError(
                f'MLPPrior: labels={list(labels)} must be {num_degradations} different names, as '
                'num_degradations says.'
            )
        self.labels = list(labels or ())
        self.feature_dim, self.num_degradations = feature_dim, num_degradations
        widths = (3, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        num_statistics = 3 * sum(widths)
        self.embed = nn.Sequential(
            nn.LayerNorm(num_statistics), nn.Linear(num_statistics, feature_dim), nn.GELU()
        )
        self.features = nn.Linear(feature_dim, feature_dim)
        self.classify = nn.Linear(feature_dim, num_degradations)

    def forward(self, image: Tensor) -> DegradationPrior:
        """Describe images (B, 3, H, W) in 0 to 1."""
        x, statistics = image, [_statistics(image)]
        for conv in self.convs:
            x = F.gelu(conv(x))
            statistics.append(_statistics(x))
        embedding = self.embed(torch.cat(statistics, dim=1))
        features = self.features(embedding).float()
        return DegradationPrior(
            features=features,
            probabilities=self.classify(embedding).float().softmax(-1),
            content=features,
        )


def _statistics(maps: Tensor) -> Tensor:
    """Mean, standard deviation and maximum of each map, (B, C, H, W) -> (B, 3C)."""
    pixels = maps.float().flatten(2)
    # The small constant keeps the gradient of the root finite where a map is flat.
    deviation = (pixels.var(2, unbiased=False) + 1e-6).sqrt()
    return torch.cat([pixels.mean(2), deviation, pixels.amax(2)], dim=1)
