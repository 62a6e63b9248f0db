"""Histoformer's network, and HOGformer's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationUNet
from irbox.registry import MODELS
from irbox.structures import Context


class ImageCopy(nn.Sequential):
    """Half the size: 2x2 means, a 1x1 and a depthwise 3x3 convolution of three channels."""

    def __init__(self) -> None:
        super().__init__(
            nn.AvgPool2d(2),
            PointwiseConv2d(3, 3, bias=False),
            nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False),
        )


@MODELS.register_module()
class Histoformer(RestorationUNet):
    """A U that shows each lower level a smaller copy of the image (Histoformer, ECCV 2024).

    With ``GradientBlock`` it is HOGformer (AAAI 2026).

    Args:
        encoder: As in ``RestorationUNet``.
        bottleneck: As there.
        decoder: As there.
        dim: Channels of the first level.
        depths: Blocks per level, the bottleneck last.
        heads: Attention heads per level.
        refinement: Blocks after the decoder.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        bottleneck: dict[str, Any],
        decoder: dict[str, Any],
        dim: int = 36,
        depths: tuple[int, ...] = (4, 4, 6, 8),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 4,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, None, None, dim, depths, heads, refinement)
        widths = [dim * 2**level for level in range(1, len(depths))]
        self.copies = nn.ModuleList(ImageCopy() for _ in widths)
        self.joins = nn.ModuleList(PointwiseConv2d(c + 3, c, bias=False) for c in widths)

    def descend(self, x: Tensor, level: int, context: Context) -> Tensor:
        """Lead to the next level, and lay a copy of the image beside the features."""
        copy = context.image
        for shrink in self.copies[: level + 1]:
            copy = shrink(copy)
        x = super().descend(x, level, context)
        answer: Tensor = self.joins[level](torch.cat([x, copy], dim=1))
        return answer
