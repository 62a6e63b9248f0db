"""Structural similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

C1, C2 = 0.01**2, 0.03**2
Window = Literal['uniform', 'uniform_11', 'gaussian', 'volume']
UNIFORM_SIZES = {'uniform': 7, 'uniform_11': 11}
GAUSSIAN_SIZE, SIGMA = 11, 1.5


def ssim(
    restored: Tensor,
    target: Tensor,
    window: Window = 'uniform',
    covariance: Literal['sample', 'population'] = 'sample',
    columns: bool = False,
) -> Tensor:
    """Compute each image's structural similarity (Wang et al., 2004) as scikit-image does.

    The mean over the channels and over the positions where the window fits (``volume``: over all).

    Args:
        restored: (B, C, H, W), 0 to 1.
        target: Same shape and range.
        window: ``uniform``: 7x7, the default of scikit-image. ``uniform_11``: 11x11. ``gaussian``:
            sigma 1.5 cut at 11x11, scikit-image's ``gaussian_weights=True``. ``volume``: the same
            over the channels, too, 11x11x11, with borders repeated: BasicSR's for colour images,
            always with population variances.
        covariance: ``sample``: variances are divided by n - 1 for a window of n pixels, the default
            of scikit-image. ``population``: by n, as in the paper and in BasicSR
            (``use_sample_covariance=False``).
        columns: Take each column as a signal of its own: the window is one-dimensional.

    Returns:
        (B,), float64, at most 1, reached by equal images only.

    Raises:
        ValueError: The shapes differ, the images are smaller than the window, or an option is
            unknown.

    Examples:
        >>> image = torch.linspace(0, 1, 64).view(1, 1, 8, 8)
        >>> ssim(image, image)
        tensor([1.], dtype=torch.float64)
        >>> bool(ssim(image, 1 - image) < 0)
        True
    """
    if restored.shape != target.shape:
        raise ValueError(
            f'The restored images have the shape {tuple(restored.shape)} and the targets '
            f'{tuple(target.shape)}. They must be equal.'
        )
    if covariance not in ('sample', 'population'):
        raise ValueError(f"covariance={covariance!r} is unknown. Choose 'sample' or 'population'.")
    weights = _weights(window)
    if window == 'volume':
        volumes = [(_repeated(x), _repeated(y)) for x, y in zip(restored, target, strict=True)]
        return torch.stack([_similarity(x, y, weights, (-3, -2, -1), 1) for x, y in volumes])
    size = len(weights)
    height, width = restored.shape[-2:]
    if height < size or (width < size and not columns):
        needed = f'{size} rows' if columns else f'{size}x{size} pixels'
        raise ValueError(f'SSIM needs images of at least {needed}, got {height}x{width}.')
    pixels = size if columns else size**2
    unbiased = pixels / (pixels - 1) if covariance == 'sample' else 1.0
    dims = (-2,) if columns else (-2, -1)
    # Plane by plane: what is averaged stays in the processor's cache.
    planes = zip(restored.flatten(0, 1), target.flatten(0, 1), strict=True)
    similarities = torch.stack([_similarity(x, y, weights, dims, unbiased) for x, y in planes])
    return similarities.view(restored.shape[:2]).mean(dim=1)


def _similarity(
    restored: Tensor, target: Tensor, weights: Sequence[float], dims: tuple[int, ...], scale: float
) -> Tensor:
    """Compute the mean similarity of (H, W), or of (C, H, W) as one volume."""
    # The variances are small differences of large means: float32 would lose digits.
    x, y = restored.double(), target.double()
    # Of the two variances only the sum is needed.
    maps = torch.stack([x, y, x.square().addcmul_(y, y), x * y])
    mean_x, mean_y, squares, products = _averages(maps, weights, dims)
    mean_xy = mean_x * mean_y
    mean_squares = mean_x.square_().add_(mean_y.square_())
    variances = squares.sub_(mean_squares).mul_(scale).add_(C2)
    covariance = products.sub_(mean_xy).mul_(2 * scale).add_(C2)
    top = mean_xy.mul_(2).add_(C1).mul_(covariance)
    similarity: Tensor = top.div_(mean_squares.add_(C1).mul_(variances)).mean()
    return similarity


def _repeated(image: Tensor) -> Tensor:
    """Repeat the borders of (C, H, W) so that the window fits everywhere."""
    around = (GAUSSIAN_SIZE // 2,) * 6
    return F.pad(image[None, None].double(), around, mode='replicate')[0, 0]


def _weights(window: str) -> list[float]:
    """Give the window's weights along one side."""
    if window in UNIFORM_SIZES:
        return [1 / UNIFORM_SIZES[window]] * UNIFORM_SIZES[window]
    if window in ('gaussian', 'volume'):
        offsets = torch.arange(GAUSSIAN_SIZE, dtype=torch.float64) - GAUSSIAN_SIZE // 2
        weights = torch.exp(-0.5 * (offsets / SIGMA).square())
        return (weights / weights.sum()).tolist()
    known = ', '.join(map(repr, get_args(Window)))
    raise ValueError(f'window={window!r} is unknown. Choose one of {known}.')


def _averages(maps: Tensor, weights: Sequence[float], dims: tuple[int, ...]) -> Tensor:
    """Compute weighted means under a separable window, where it fits.

    Sums of shifted maps: in float64, on a CPU, six times as fast as a convolution.
    """
    for dim in dims:
        length = maps.shape[dim] - len(weights) + 1
        total = maps.narrow(dim, 0, length) * weights[0]
        for start, weight in enumerate(weights[1:], 1):
            total.add_(maps.narrow(dim, start, length), alpha=weight)
        maps = total
    return maps
