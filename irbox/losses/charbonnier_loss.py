"""A mean absolute error that is smooth at zero."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class CharbonnierLoss(nn.Module):
    """Mean of ``sqrt(error^2 + eps^2)`` (M2IR, Eq. 8).

    The printed equation has ``||.||`` under the root, which the text defines as the squared norm.

    Args:
        weight: Factor.
        eps: The error, on a scale of 0 to 1, below which the loss is quadratic. The paper gives no
            value.
        per_pixel: Sum the squares over a pixel's colours under the root, and divide by the number
            of pixels, as "N, the total number of pixels" may be read. Otherwise each value counts
            by itself.
    """

    def __init__(
        self, weight: NonNegativeFloat = 1.0, eps: NonNegativeFloat = 1e-3, per_pixel: bool = False
    ) -> None:
        super().__init__()
        self.weight, self.eps, self.per_pixel = weight, eps, per_pixel

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape."""
        square = (restored - target).square()
        if self.per_pixel:
            square = square.sum(1)
        return self.weight * (square + self.eps**2).sqrt().mean()
