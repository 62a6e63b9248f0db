"""Correlation as the loss."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class CorrelationLoss(nn.Module):
    """Mean over images of ``(1 - r) / 2``, with Pearson's r over all values of an image.

    The second loss of Histoformer (ECCV 2024) and MODEM (NeurIPS 2025). An image whose r is not
    defined counts as uncorrelated; their public code leaves it out.

    Args:
        weight: Factor.
        eps: Added to the product of the deviations.
    """

    def __init__(self, weight: NonNegativeFloat = 1.0, eps: NonNegativeFloat = 1e-6) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape."""
        x, y = (image.flatten(1) for image in (restored, target))
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        deviations = (x.square().sum(1) * y.square().sum(1)).clamp_min(1e-24).sqrt()
        correlation = (x * y).sum(1) / (deviations + self.eps)
        return self.weight * ((1 - correlation) / 2).mean()
