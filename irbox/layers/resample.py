"""Changes of resolution between the levels of the U (Restormer)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from irbox.layers.plain import is_3x3, is_traced, is_watched
from irbox.layers.strips import can_run_in_strips, computing_dtype, learns, pixels_of
from irbox.native.convolutions import Arrangement, convolve
from irbox.native.library import LANES, native
from irbox.native.products import taken_at_once

LEAST_PIXELS = 512
"""Of all images together, for which a kernel of ours makes other weights of a convolution's."""


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

    def forward(self, x: Tensor) -> Tensor:
        """Halve the size of a map."""
        ours = type(self).forward is Downsample.forward
        return _resampled(x, self, 'unshuffled', ours)


class Upsample(nn.Sequential):
    """Twice the size, half the channels: 3x3 convolution C -> 2C, then pixel-shuffle.

    (B, C, H, W) -> (B, C/2, 2H, 2W).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Conv2d(dim, 2 * dim, 3, padding=1, bias=False), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """Double the size of a map."""
        ours = type(self).forward is Upsample.forward
        return _resampled(x, self, 'shuffled', ours)


def _resampled(x: Tensor, layers: nn.Sequential, arrangement: Arrangement, ours: bool) -> Tensor:
    """Convolve and rearrange; ``ours``: a subclass does not do so in its own way."""
    found = _by_kernel(x, layers, arrangement) if ours else None
    if found is not None:
        return found
    convolved: Tensor = layers[0](x)
    odd = arrangement == 'unshuffled' and (x.shape[2] % 2 or x.shape[3] % 2)
    if x.device.type != 'cpu' and not odd and not is_traced(x) and _is_known(layers[1]):
        return rearranged(convolved, arrangement)
    answer: Tensor = layers[1](convolved)
    return answer


def _is_known(layer: nn.Module) -> bool:
    """Tell whether it is torch's, for pairs of pixels, and nobody watches it."""
    if is_watched([layer]):
        return False
    if type(layer) is nn.PixelShuffle:
        return layer.upscale_factor == 2
    return type(layer) is nn.PixelUnshuffle and layer.downscale_factor == 2


def rearranged(x: Tensor, arrangement: Arrangement) -> Tensor:
    """Shuffle or unshuffle pixels into channels-last memory, which torch does on CPUs alone."""
    pixels = x.permute(0, 2, 3, 1)
    if arrangement == 'shuffled':
        pixels = rearrange(pixels, 'b h w (c i j) -> b (h i) (w j) c', i=2, j=2)
    else:
        pixels = rearrange(pixels, 'b (h i) (w j) c -> b h w (c i j)', i=2, j=2)
    return pixels.permute(0, 3, 1, 2)


def _by_kernel(x: Tensor, layers: nn.Sequential, arrangement: Arrangement) -> Tensor | None:
    """Convolve and rearrange at once; None where torch's operators are to do so.

    They do for what learns, for maps too small or odd, and where a processor's vectors are short.
    """
    conv = layers[0]
    if type(conv) is not nn.Conv2d or conv.bias is not None or conv.groups != 1:
        return None
    if not is_3x3(conv) or not can_run_in_strips(x) or learns(x, [layers]):
        return None
    if not _is_known(layers[1]) or is_watched([layers]):
        return None
    if not computing_dtype(x) == x.dtype == conv.weight.dtype == torch.float32:
        return None
    batch, channels, height, width = x.shape
    odd = channels % LANES or (arrangement == 'shuffled' and len(conv.weight) % (4 * LANES))
    if arrangement == 'unshuffled':
        odd = odd or height % 2 or width % 2
    library = None if odd or batch * height * width < LEAST_PIXELS else native()
    if library is None or not taken_at_once(library, torch.float32):
        return None
    return convolve(library, pixels_of(x), conv.weight, arrangement).permute(0, 3, 1, 2)
