"""The feed-forward layers of Histoformer and HOGformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d


class DualScaleFeedForward(nn.Module):
    """At twice the size, a dilated convolution gates one of 5x5 (Histoformer).

    Args:
        dim: Number of channels.
        ratio: Width of a branch relative to ``dim``, rounded down; an even number.

    Raises:
        ValueError: The width is odd.
    """

    def __init__(self, dim: int, ratio: float = 2.667) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        if hidden % 4:
            raise ValueError(
                f'ratio={ratio} of {dim} channels makes {hidden}, which must be a multiple of 4. '
                'Take a dim that is a multiple of 12, or another ratio.'
            )
        quarter = hidden // 4
        self.project_in = PointwiseConv2d(dim, 2 * hidden, bias=False)
        self.near = nn.Conv2d(quarter, quarter, 5, padding=2, groups=quarter, bias=False)
        self.far = nn.Conv2d(quarter, quarter, 3, padding=2, dilation=2, groups=quarter, bias=False)
        self.refine: nn.Module = nn.Identity()
        self.project_out = PointwiseConv2d(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel with its neighbours, (B, C, H, W) -> same shape."""
        near, far = F.pixel_shuffle(self.project_in(x), 2).chunk(2, dim=1)
        gated = self.refine(F.mish(self.far(far)) * self.near(near))
        answer: Tensor = self.project_out(F.pixel_unshuffle(gated, 2))
        return answer


class Refinement(nn.Module):
    """``u + scale (u - GELU(D u))`` with one map D u for all channels (HOGformer).

    Args:
        dim: Number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.decompose = PointwiseConv2d(dim, 1)
        self.scale = nn.Parameter(torch.full((1, dim, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        return x + self.scale * (x - F.gelu(self.decompose(x)))
