"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(restored: Tensor, target: Tensor, per_channel: bool = False) -> Tensor:
    """Compute the peak signal-to-noise ratio of each image: 10 log10(1 / MSE).

    Args:
        restored: (B, C, H, W), 0 to 1.
        target: Same shape and range.
        per_channel: Give the mean of the channels' ratios, in place of one ratio with a mean over
            all values. It is never smaller.

    Returns:
        (B,), float64, in decibels; infinite where the images (or one channel) are equal.

    Raises:
        ValueError: The shapes differ.

    Examples:
        >>> psnr(torch.full((1, 3, 8, 8), 0.6), torch.full((1, 3, 8, 8), 0.5)).round(decimals=3)
        tensor([20.], dtype=torch.float64)
    """
    if restored.shape != target.shape:
        raise ValueError(
            f'The restored images have the shape {tuple(restored.shape)} and the targets '
            f'{tuple(target.shape)}. They must be equal.'
        )
    error = (restored.double() - target.double()).square().mean(dim=(2, 3))
    if per_channel:
        return (-10 * torch.log10(error)).mean(dim=1)
    return -10 * torch.log10(error.mean(dim=1))
