"""LayerNorm on a sequence of pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.norm import LayerNorm2d
from irbox.testing.reference.twins import as_map, as_sequence, twin_of, wide


@twin_of(LayerNorm2d)
class TextbookLayerNorm(LayerNorm2d):
    """Lay the map out as a sequence of pixels, normalise each, and lay it back."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        pixels = wide(as_sequence(x))
        if self.bias is None:
            variance = pixels.var(-1, keepdim=True, unbiased=False)
            pixels = pixels / torch.sqrt(variance + self.eps) * self.weight
        else:
            pixels = F.layer_norm(pixels, pixels.shape[-1:], self.weight, self.bias, self.eps)
        return as_map(pixels.to(x.dtype), x.shape[-2:])
