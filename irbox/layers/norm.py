"""The only LayerNorm in the package."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of each pixel (Restormer).

    ``F.layer_norm`` on a channels-last view, in float32 also under autocast; with feature maps in
    channels-last memory the view costs nothing.

    Args:
        dim: Number of channels.
        bias: With a bias (Restormer's ``WithBias``). Without (``BiasFree``), the mean is not
            subtracted either: the features are divided by their standard deviation alone.
        eps: Added to the variance.
    """

    def __init__(self, dim: int, bias: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map, (B, C, H, W) -> same shape and dtype."""
        return self.normalize(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalise pixels, (..., C) -> same shape and dtype."""
        exact = pixels if pixels.dtype == torch.float64 else pixels.float()
        if self.bias is None:
            variance = exact.var(-1, keepdim=True, unbiased=False)
            out = exact * torch.rsqrt(variance + self.eps) * self.weight
        else:
            out = F.layer_norm(exact, exact.shape[-1:], self.weight, self.bias, self.eps)
        return out.to(pixels.dtype)
