"""BioIR: coarse context to one half of the features, fine detail back from the other.

    plugins: [plugins/bioir.py]
    model: {network: {type: BioIR, block: {type: BioIRBlock}, dim: 48, depths: [6, 6, 14]}}

Its U has three levels, resizes by interpolation, and stays at the width of a level on its way up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.conversion import UNET_PARTS, published_name, rename_weights
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationNetwork
from irbox.networks.chain import Chain
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Features, Stage
from irbox.utils.bounded import NonNegativeInt, PositiveInt

REGIONS = 16
"""Rows and columns of the pooled regions."""


def gather_neighbours(x: Tensor, weights: Tensor) -> Tensor:
    """Sum the neighbours of each pixel with weights of its own; borders are reflected.

    Args:
        x: (B, 1, H, W).
        weights: (B, K * K, H, W), of the K x K neighbours, row by row.

    Returns:
        (B, 1, H, W).
    """
    height, width = x.shape[-2:]
    side = round(weights.shape[1] ** 0.5)
    reach = side // 2
    # Small maps have no pixels to reflect so far.
    mode = 'reflect' if reach < min(height, width) else 'replicate'
    windows = F.unfold(F.pad(x, (reach,) * 4, mode=mode), side)
    return (weights * windows.view(len(x), side**2, height, width)).sum(1, keepdim=True)


class PeripheralFoveal(nn.Module):
    """Two streams that inform each other (BioIR, NeurIPS 2025).

    The foveal half is changed where it resembles 256 pooled regions of the peripheral one:
    ``f (1 + d)``, d a sum of its neighbours by 3x3 kernels made of that resemblance. The peripheral
    half gets detail by 5x5 kernels made of the foveal one. Their product is projected.

    Args:
        dim: Number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project_in = PointwiseConv2d(dim, 2 * dim, bias=False)
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim, bias=False)
        self.of_regions = PointwiseConv2d(REGIONS**2, 9)
        self.detail = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.of_detail = PointwiseConv2d(dim, 25)
        self.project_out = PointwiseConv2d(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        peripheral, foveal = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        detail = self.detail(foveal)
        regions = F.adaptive_avg_pool2d(peripheral, REGIONS).flatten(2)
        affinity = torch.einsum('bchw,bcs->bshw', foveal, regions)
        coarse = gather_neighbours(foveal.mean(1, keepdim=True), self.of_regions(affinity))
        lit = peripheral * (detail + 1)
        fine = gather_neighbours(lit.mean(1, keepdim=True), self.of_detail(detail))
        answer: Tensor = self.project_out((lit + fine) * (foveal * (1 + coarse)))
        return answer


@BLOCKS.register_module()
class BioIRBlock(nn.Module):
    """Two streams that inform each other, then a gated feed-forward layer.

    Args:
        stage: Where the block sits; it uses neither heads, prior nor prompt.
        ratio: Expansion of the feed-forward layer.
    """

    def __init__(self, stage: Stage, ratio: float = 3.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(stage.dim)
        self.attn = PeripheralFoveal(stage.dim)
        self.norm2 = LayerNorm2d(stage.dim)
        self.ffn = GatedFeedForward(stage.dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        x = x + self.attn(self.norm1(x))
        return self.ffn.add_to(x, self.norm2)


class Resize(nn.Module):
    """Bilinear interpolation, then a 3x3 convolution.

    Args:
        dim_in: Channels in.
        dim_out: Channels out.
        factor: What height and width are multiplied by.
    """

    def __init__(self, dim_in: int, dim_out: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(dim_in, dim_out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Resize a map, (B, dim_in, H, W) -> (B, dim_out, factor H, factor W)."""
        resized = F.interpolate(x, scale_factor=self.factor, mode='bilinear', align_corners=False)
        answer: Tensor = self.conv(resized)
        return answer


@MODELS.register_module()
class BioIR(RestorationNetwork):
    """A U whose lowest level decodes where it has encoded (BioIR, NeurIPS 2025).

    Level ``i`` works at ``dim * 2**i`` channels and ``1 / 2**i`` of the size, also on the way up.

    Args:
        block: Config of the block at every place.
        dim: Channels of the first level.
        depths: Blocks per level, each as often on the way down as on the way up, the lowest twice
            at the same size.
        refinement: Blocks after the decoder.
        unused_weights: Also hold a 1x1 convolution that the public code owns, counts and never
            calls: the published counts have it. It gets no gradient: distributed training needs
            ``find_unused_parameters``.

    Raises:
        ValueError: There is a single level.
    """

    def __init__(
        self,
        block: dict[str, Any],
        dim: PositiveInt = 48,
        depths: tuple[int, ...] = (6, 6, 14),
        refinement: NonNegativeInt = 4,
        unused_weights: bool = False,
    ) -> None:
        super().__init__()
        if len(depths) < 2:
            raise ValueError(f'depths={list(depths)} must name two levels or more.')
        self.multiple = 2 ** (len(depths) - 1)

        def chain(level: int, depth: int) -> Chain:
            stage = Stage(dim * 2**level, heads=1)
            return Chain(BLOCKS.build(block, stage=stage) for _ in range(depth))

        widths = [dim * 2**level for level in range(len(depths))]
        self.embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(chain(i, depth) for i, depth in enumerate(depths))
        self.downs = nn.ModuleList(Resize(c, 2 * c, 0.5) for c in widths[:-1])
        # From the lowest level up.
        self.decoders = nn.ModuleList(
            chain(i, depth) for i, depth in reversed(list(enumerate(depths)))
        )
        self.ups = nn.ModuleList(Resize(c, c // 2, 2) for c in widths[:0:-1])
        self.reduces = nn.ModuleList(PointwiseConv2d(2 * c, c) for c in widths[-2::-1])
        self.refinement = chain(0, refinement)
        self.output = nn.Conv2d(dim, 3, 3, padding=1, bias=False)
        if unused_weights:
            self.unused = PointwiseConv2d(4 * dim, 2 * dim, bias=False)
        self.to(memory_format=torch.channels_last)

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W), RGB, 0 to 1, of a size that can be halved at every level."""
        x = self.embed(padded)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(self.downs[level - 1](x) if level else x, context)
            context.record(Features(x, f'encoder {level + 1}'))
            skips.append(x)
        x = self.decoders[0](skips.pop(), context)
        for up, reduce, decoder in zip(self.ups, self.reduces, self.decoders[1:], strict=True):
            x = decoder(reduce(torch.cat([up(x), skips.pop()], dim=1)), context)
        answer: Tensor = self.output(self.refinement(x, context)) + padded
        return answer

    def places(self) -> dict[str, nn.Module]:
        """Name the levels on the way down and up."""
        levels = len(self.decoders)
        return (
            {f'encoder {level}: block': one for level, one in enumerate(self.encoders, 1)}
            | {f'decoder {levels - below}: block': one for below, one in enumerate(self.decoders)}
            | {'refinement: block': self.refinement}
        )


# Ours -> published, see published_name.
_PLACES = {
    'embed.': 'patch_embed.proj.',
    'encoders.0.': 'encoder_level1.',
    'encoders.1.': 'encoder_level2.',
    'encoders.2.': 'encoder_level3.',
    'downs.0.conv.': 'down1_2.body.1.',
    'downs.1.conv.': 'down2_3.body.1.',
    'decoders.0.': 'decoder_level3.',
    'decoders.1.': 'decoder_level2.',
    'decoders.2.': 'decoder_level1.',
    'ups.0.conv.': 'up3_2.body.1.',
    'ups.1.conv.': 'up2_1.body.1.',
    'reduces.0.': 'fuse2.conv.',
    'reduces.1.': 'fuse1.conv.',
    'refinement.': 'refinement.',
    'unused.': 'reduce_chan_level2.',
}
_PARTS = UNET_PARTS | {
    'attn.project_in.': 'attn.conv.',
    'attn.dwconv.': 'attn.dw.',
    'attn.of_regions.': 'attn.l2h.conv.',
    'attn.detail.': 'attn.h2l.dw.',
    'attn.of_detail.': 'attn.h2l.cv2.',
}
_UNUSED = re.compile(r'reduce_chan_level2\.')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of BioIR the names of a ``BioIR``.

    Args:
        released: What the released file holds under ``state_dict`` or ``params``, with or without
            a leading ``net.`` or ``module.``.
        network: What the weights are for; it may be on the meta device. Without
            ``unused_weights`` the convolution that is never called is left out.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(released, network, _name, 'BioIR', _UNUSED)


def _name(key: str) -> str:
    return published_name(key, _PLACES, _PARTS)
