"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(restored: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image: 10 log10(1 / MSE), one mean over all values.

    Args:
        restored: (B, C, H, W), 0 to 1.
        target: Same shape and range.

    Returns:
        (B,), float64, in decibels; infinite where the images are equal.

    Raises:
        ValueError: The shapes differ.
    """
    if restored.shape != target.shape:
        raise ValueError(
            f'The restored images have the shape {tuple(restored.shape)} and the targets '
            f'{tuple(target.shape)}. They must be equal.'
        )
    error = (restored.double() - target.double()).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error)
