"""MIRAGE's network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationUNet
from irbox.registry import MODELS
from irbox.structures import Context, Features, Stage

from .contrast import CovarianceHead

NARROWED = 'bottleneck, narrowed'


class Narrowing(nn.Module):
    """A 1x1 convolution that halves the channels, and keeps its answer for the head."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = PointwiseConv2d(dim, dim // 2, bias=False)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Narrow a map, (B, C, H, W) -> (B, C/2, H, W)."""
        answer: Tensor = self.conv(x)
        context.record(Features(answer, NARROWED))
        return answer


@MODELS.register_module()
class MIRAGE(RestorationUNet):
    """A U whose deepest features are narrowed before they go up (MIRAGE, ICLR 2026).

    In training it records embeddings of the covariances of the first level of the encoder and of
    the narrowed features, for ``CovarianceContrastLoss``. Without that loss, the head that makes
    them gets no gradient: distributed training then needs ``find_unused_parameters``.

    Args:
        encoder: As in ``RestorationUNet``.
        bottleneck: As there.
        decoder: As there; its ``before_upsample`` is not used at the deepest level.
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
        dim: int = 30,
        depths: tuple[int, ...] = (3, 5, 5, 7),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 3,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, None, None, dim, depths, heads, refinement)
        self.head = CovarianceHead(dim, dim * 2 ** (len(depths) - 2))

    def build_insertion(
        self, decoder: Mapping[str, Any], stage: Stage, index: int
    ) -> tuple[nn.Module, int]:
        """Build what narrows the deepest features; nothing of its own further up."""
        if index:
            return super().build_insertion(decoder, stage, index)
        return Narrowing(stage.dim), stage.dim // 2

    def describe(self, image: Tensor) -> Context:
        """Compute once what every part may know; in training, ask for all records."""
        context = super().describe(image)
        return replace(context, records=[]) if self.training else context

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W), RGB, 0 to 1, and record embeddings where somebody asks."""
        answer = super().restore(padded, context)
        if context.records is not None:
            maps = {one.place: one.values for one in context.records if isinstance(one, Features)}
            context.record(self.head(maps['encoder 1'], maps[NARROWED]))
        return answer
