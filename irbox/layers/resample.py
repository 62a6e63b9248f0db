"""Changes of resolution between the levels of the U (Restormer)."""

from __future__ import annotations

from torch import nn


class Downsample(nn.Sequential):
    """Half the size, twice the channels: 3x3 convolution C -> C/2, then pixel-unshuffle.

    (B, C, H, W) -> (B, 2C, H/2, W/2).

    Raises:
        ValueError: C is odd.
    """

    def __init__(self, dim: int) -> None:
        if dim % 2:
            raise ValueError(f'dim={dim} must be even: downsampling halves the channels.')
        super().__init__(nn.Conv2d(dim, dim // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))


class Upsample(nn.Sequential):
    """Twice the size, half the channels: 3x3 convolution C -> 2C, then pixel-shuffle.

    (B, C, H, W) -> (B, C/2, 2H, 2W).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Conv2d(dim, 2 * dim, 3, padding=1, bias=False), nn.PixelShuffle(2))
