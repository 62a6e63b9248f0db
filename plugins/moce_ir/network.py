"""MoCE-IR's network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.networks import RestorationNetwork
from irbox.networks.chain import Chain
from irbox.networks.way_down import way_down
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Features, Stage


class FrequencyEmbedding(nn.Module):
    """Tells of the high frequencies of a map: high pass, GELU, mean, two linear layers.

    Args:
        dim: Number of channels, and size of the embedding.
        train_high_pass: Train the high pass, as the public code does, which means it to stay the
            Laplacian that it starts as.
    """

    def __init__(self, dim: int, train_high_pass: bool = False) -> None:
        super().__init__()
        self.high_pass = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        with torch.no_grad():
            self.high_pass.weight.fill_(-1)
            self.high_pass.weight[:, :, 1, 1] = 8
        self.high_pass.requires_grad_(train_high_pass)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Embed a map, (B, C, H, W) -> (B, C)."""
        answer: Tensor = self.mlp(F.gelu(self.high_pass(x)).mean((2, 3)))
        return answer


@MODELS.register_module()
class MoCEIR(RestorationNetwork):
    """A U whose decoder is told about the deepest features (MoCE-IR, CVPR 2025).

    Level ``i`` works at ``dim * 2**i`` channels, also in the decoder. The blocks of the decoder
    find an embedding of the bottleneck's answer as the prompt of their context.

    Args:
        encoder: ``block``: of the encoder and of the refinement.
        bottleneck: ``block``.
        decoder: ``block``.
        dim: Channels of the first level.
        depths: Blocks per level of the encoder, the bottleneck last.
        decoder_depths: Blocks per level of the decoder, the deepest first.
        heads: Attention heads per level.
        refinement: Blocks after the decoder.
        train_high_pass: See ``FrequencyEmbedding``.

    Raises:
        ValueError: The numbers of levels differ, or a block is missing.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        bottleneck: dict[str, Any],
        decoder: dict[str, Any],
        dim: int = 48,
        depths: tuple[int, ...] = (4, 6, 6, 8),
        decoder_depths: tuple[int, ...] = (4, 4, 2),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 4,
        train_high_pass: bool = False,
    ) -> None:
        super().__init__()
        if not len(depths) == len(heads) == len(decoder_depths) + 1 or len(depths) < 2:
            raise ValueError(
                f'depths={list(depths)} and heads={list(heads)} must be of the same length, '
                f'and decoder_depths={list(decoder_depths)} one shorter.'
            )
        for name, place in (('encoder', encoder), ('bottleneck', bottleneck), ('decoder', decoder)):
            if not isinstance(place, Mapping) or set(place) != {'block'}:
                raise ValueError(f'{name} takes a block and nothing else, got {place!r}.')
        stages = [Stage(dim * 2**level, count) for level, count in enumerate(heads)]
        *upper, lowest = stages
        self.multiple = 2 ** len(upper)

        self.embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(
            _chain(encoder, stage, depth) for stage, depth in zip(upper, depths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(Downsample(stage.dim) for stage in upper)
        self.bottleneck = _chain(bottleneck, lowest, depths[-1])
        self.embedding = FrequencyEmbedding(lowest.dim, train_high_pass)
        # From the lowest level up.
        self.ups = nn.ModuleList(Upsample(stage.dim) for stage in stages[:0:-1])
        self.reduces = nn.ModuleList(
            PointwiseConv2d(2 * stage.dim, stage.dim, bias=False) for stage in upper[::-1]
        )
        self.decoders = nn.ModuleList(
            _chain(decoder, replace(stage, prompt_dim=lowest.dim), depth)
            for stage, depth in zip(upper[::-1], decoder_depths, strict=True)
        )
        self.refinement = _chain(encoder, upper[0], refinement)
        self.output = nn.Conv2d(dim, 3, 3, padding=1, bias=False)
        self.to(memory_format=torch.channels_last)

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W), RGB, 0 to 1, of a size that can be halved at every level."""
        x, skips = way_down(self.embed(padded), self.encoders, self.downs, context)
        x = self.bottleneck(x, context)
        context.record(Features(x, 'bottleneck'))
        context = replace(context, prompt=self.embedding(x))
        for up, reduce, decoder in zip(self.ups, self.reduces, self.decoders, strict=True):
            x = decoder(reduce(torch.cat([up(x), skips.pop()], dim=1)), context)
        answer: Tensor = self.output(self.refinement(x, context)) + padded
        return answer

    def places(self) -> dict[str, nn.Module]:
        """Name the places as configs do, with the level that each stands at."""
        levels = len(self.decoders)
        return (
            {f'encoder {level}: block': one for level, one in enumerate(self.encoders, 1)}
            | {'bottleneck: block': self.bottleneck, 'embedding': self.embedding}
            | {f'decoder {levels - below}: block': one for below, one in enumerate(self.decoders)}
            | {'refinement: encoder block': self.refinement}
        )


def _chain(place: Mapping[str, Any], stage: Stage, depth: int) -> Chain:
    return Chain(BLOCKS.build(place['block'], stage=stage) for _ in range(depth))
