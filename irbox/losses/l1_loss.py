"""Mean absolute error."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class L1Loss(nn.Module):
    """Mean absolute error over images, channels and pixels (M2Restore, Eq. 18).

    Args:
        weight: Factor.
    """

    def __init__(self, weight: NonNegativeFloat = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape."""
        return self.weight * F.l1_loss(restored, target)
