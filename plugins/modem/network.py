"""MODEM's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationUNet
from irbox.registry import MODELS
from irbox.structures import Stage
from irbox.utils.bounded import Share

from .block import Group, MODEMBlock
from .init import init_linear


@MODELS.register_module()
class MODEM(RestorationUNet):
    """A U of residual groups with biases (MODEM, NeurIPS 2025), the restoring part of its stage 2.

    Args:
        encoder: As in ``RestorationUNet``.
        bottleneck: As there.
        decoder: As there.
        prompt: As there: what the blocks are told.
        dim: Channels of the first level.
        depths: Blocks per level, the bottleneck last.
        heads: Attention heads per level; ``MODEMBlock`` has none.
        refinement: Blocks after the decoder.
        drop_path: How often in training the last block's scan is left out for an image; from the
            first block on the share rises linearly. The refinement's are never.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        bottleneck: dict[str, Any],
        decoder: dict[str, Any],
        prompt: dict[str, Any] | None = None,
        dim: int = 36,
        depths: tuple[int, ...] = (4, 4, 6, 8),
        heads: tuple[int, ...] = (1, 1, 1, 1),
        refinement: int = 4,
        drop_path: Share = 0.1,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, None, prompt, dim, depths, heads, refinement)
        levels: list[Any] = [*self.encoders, self.bottleneck, *self.decoders]
        blocks = [block for level in levels for block in level.blocks]
        shares = torch.linspace(0, drop_path, len(blocks), device='cpu').tolist()
        for share, block in zip(shares, blocks, strict=True):
            if isinstance(block, MODEMBlock):
                block.drop_path.p = share
        self.apply(init_linear)

    def build_embedding(self, dim: int) -> nn.Module:
        """Build the first layer."""
        return nn.Conv2d(3, dim, 3, padding=1)

    def build_level(self, place: Mapping[str, Any], stage: Stage, depth: int) -> nn.Module:
        """Build a group of blocks."""
        return Group(super().build_level(place, stage, depth), stage.dim)

    def build_reduction(self, width: int, dim: int) -> nn.Module:
        """Build what makes ``dim`` channels of a concatenation."""
        return PointwiseConv2d(width, dim)

    def build_output(self, dim: int) -> nn.Module:
        """Build the last layer."""
        return nn.Conv2d(dim, 3, 3, padding=1)
