"""The score as the loss."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class PSNRLoss(nn.Module):
    """Mean over images of ``log(mean squared error + eps)``: minus the PSNR, scaled.

    The gradient of an image is divided by its error, so that a task with small errors (noise)
    counts as much as one with large errors (darkness).

    Args:
        weight: Factor.
        eps: Keeps an image that is already right from dominating.
    """

    def __init__(self, weight: NonNegativeFloat = 1.0, eps: NonNegativeFloat = 1e-4) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape."""
        error = (restored - target).square().flatten(1).mean(1)
        return self.weight * (error + self.eps).log().mean()
