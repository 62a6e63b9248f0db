"""Error in the frequency domain."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat


@LOSSES.register_module()
class FFTLoss(nn.Module):
    """Mean absolute error of the real and imaginary parts of the spectrum (M2IR, Eq. 10).

    The transform is not normalised, as in MoCE-IR's loss of this name: an error of 0.01 in every
    pixel on its own counts about 0.01 times the root of half the number of pixels. The mean is over
    the half of the spectrum that a real image needs; the other half repeats it.

    Args:
        weight: Factor (lambda 2 in Eq. 11).
    """

    def __init__(self, weight: NonNegativeFloat = 0.1) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge (B, 3, H, W) against the same shape."""
        # The transform is linear: one of the difference instead of the difference of two.
        error = torch.view_as_real(torch.fft.rfft2(restored - target))
        return self.weight * error.abs().mean()
