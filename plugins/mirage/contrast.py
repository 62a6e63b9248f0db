"""MIRAGE's contrast between shallow and deep features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat, PositiveFloat
from irbox.utils.precision import full_precision


@dataclass(frozen=True)
class CovarianceEmbeddings:
    """Holds what the covariances of two maps are embedded as."""

    shallow: Tensor
    """(B, E), of length 1."""
    deep: Tensor
    """(B, E), of length 1."""


class CovarianceHead(nn.Module):
    """Embeds the covariances of a shallow and of a deep map.

    Each map is reduced to a few channels; their covariance over the pixels, plus ``1e-5 I``, is
    flattened (the public code takes no logarithm of the matrix), led through a linear layer and
    brought to length 1. In float32 also under autocast.

    Args:
        shallow_dim: Channels of the shallow map.
        deep_dim: Channels of the deep one.
        reduced: What the two are reduced to.
        embedding_dim: Size of the embeddings.
    """

    def __init__(
        self,
        shallow_dim: int,
        deep_dim: int,
        reduced: tuple[int, int] = (12, 24),
        embedding_dim: int = 64,
    ) -> None:
        super().__init__()
        self.reduce_shallow = PointwiseConv2d(shallow_dim, reduced[0])
        self.reduce_deep = PointwiseConv2d(deep_dim, reduced[1])
        self.embed_shallow = nn.Linear(reduced[0] ** 2, embedding_dim)
        self.embed_deep = nn.Linear(reduced[1] ** 2, embedding_dim)

    def forward(self, shallow: Tensor, deep: Tensor) -> CovarianceEmbeddings:
        """Embed two maps (B, C, H, W), each of its own size."""
        with full_precision(shallow):
            return CovarianceEmbeddings(
                F.normalize(self.embed_shallow(_covariance(self.reduce_shallow(_exact(shallow))))),
                F.normalize(self.embed_deep(_covariance(self.reduce_deep(_exact(deep))))),
            )


def _exact(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _covariance(x: Tensor) -> Tensor:
    """Give the covariance of channels over pixels, (B, C, H, W) -> (B, C * C)."""
    rows = x.flatten(2)
    rows = rows - rows.mean(2, keepdim=True)
    covariance = rows @ rows.mT / max(rows.shape[2] - 1, 1)
    return (covariance + 1e-5 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)).flatten(1)


@LOSSES.register_module()
class CovarianceContrastLoss(nn.Module):
    """Asks that an image's shallow and deep features know each other among those of a batch.

    Cross-entropy of ``shallow deep^T / temperature`` with the diagonal (MIRAGE, ICLR 2026). A batch
    of one gives 0; the images of other processes do not take part.

    Args:
        weight: Factor.
        temperature: Of the similarities.
    """

    def __init__(self, weight: NonNegativeFloat = 0.01, temperature: PositiveFloat = 0.1) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge what the network recorded in training.

        Raises:
            ValueError: It recorded no embeddings.
        """
        found = [r for r in context.records or () if isinstance(r, CovarianceEmbeddings)]
        if not found:
            raise ValueError(
                'CovarianceContrastLoss found no embeddings of covariances. A network of type '
                'MIRAGE records them in training; set this loss to null for any other.'
            )
        one = found[-1]
        logits = one.shallow @ one.deep.mT / self.temperature
        return self.weight * F.cross_entropy(
            logits, torch.arange(len(logits), device=logits.device)
        )
