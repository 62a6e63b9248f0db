"""Structural similarity."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

C1, C2 = 0.01**2, 0.03**2
UNIFORM_SIZE = 7
GAUSSIAN_SIZE, SIGMA = 11, 1.5


def ssim(
    restored: Tensor, target: Tensor, window: Literal['uniform', 'gaussian'] = 'uniform'
) -> Tensor:
    """Structural similarity of each image (Wang et al., 2004), as scikit-image computes it.

    The mean over the channels and over the positions where the window fits. Variances are sample
    variances, that is divided by n - 1 for a window of n pixels.

    Args:
        restored: (B, C, H, W), 0 to 1.
        target: Same shape and range.
        window: ``uniform``: 7x7, the default of scikit-image. ``gaussian``: sigma 1.5 cut at 11x11,
            scikit-image's ``gaussian_weights=True``.

    Returns:
        (B,), float64, at most 1, reached by equal images only.

    Raises:
        ValueError: The shapes differ, the images are smaller than the window, or the window is
            unknown.
    """
    if restored.shape != target.shape:
        raise ValueError(
            f'The restored images have the shape {tuple(restored.shape)} and the targets '
            f'{tuple(target.shape)}. They must be equal.'
        )
    kernel = _kernel(window).to(restored.device)
    size = kernel.numel()
    if min(restored.shape[-2:]) < size:
        raise ValueError(
            f'SSIM needs images of at least {size}x{size} pixels, got '
            f'{restored.shape[-2]}x{restored.shape[-1]}.'
        )
    # The variances are small differences of large means: float32 would lose digits.
    x, y = restored.double(), target.double()
    maps = torch.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _filter(maps.flatten(0, 2), kernel).unflatten(
        0, (5, *restored.shape[:2])
    )
    unbiased = size**2 / (size**2 - 1)
    var_x = unbiased * (xx - mean_x.square())
    var_y = unbiased * (yy - mean_y.square())
    covariance = unbiased * (xy - mean_x * mean_y)
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similarity = similarity / ((mean_x.square() + mean_y.square() + C1) * (var_x + var_y + C2))
    return similarity.mean(dim=(1, 2, 3))


def _kernel(window: str) -> Tensor:
    """The window's one-dimensional weights."""
    if window == 'uniform':
        return torch.full((UNIFORM_SIZE,), 1 / UNIFORM_SIZE, dtype=torch.float64)
    if window == 'gaussian':
        offsets = torch.arange(GAUSSIAN_SIZE, dtype=torch.float64) - GAUSSIAN_SIZE // 2
        weights = torch.exp(-0.5 * (offsets / SIGMA).square())
        return weights / weights.sum()
    raise ValueError(f"window={window!r} is unknown. Choose 'uniform' or 'gaussian'.")


def _filter(maps: Tensor, kernel: Tensor) -> Tensor:
    """Weighted means of (N, H, W) under a separable window, where it fits."""
    maps = F.conv2d(maps[:, None], kernel.view(1, 1, -1, 1))
    return F.conv2d(maps, kernel.view(1, 1, 1, -1))[:, 0]
