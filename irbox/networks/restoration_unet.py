"""The U that both systems are compositions of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.padding import pad_to_multiple
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.networks.chain import Chain
from irbox.registry import BLOCKS, MODELS, PRIORS, suggest
from irbox.structures import Context, Stage

PLACES = {
    'encoder': ('before_level', 'block'),
    'bottleneck': ('block',),
    'decoder': ('before_upsample', 'block'),
}


@MODELS.register_module()
class RestorationUNet(nn.Module):
    """A U with places for parts: the shape of Restormer, AdaIR, M2Restore and M2IR.

    Level ``i`` works at ``dim * 2**i`` channels and ``1 / 2**i`` of the size; the papers have four.
    The decoder's first level and the refinement keep both halves of the concatenation and work at
    ``2 * dim``. The network predicts what to add to the image.

    Args:
        encoder: Configs of blocks: ``block`` (repeated ``depths[i]`` times at level ``i``),
            optionally ``before_level`` (one in front of each level).
        bottleneck: ``block``, repeated ``depths[-1]`` times.
        decoder: ``block``, as in the encoder and in the refinement; optionally ``before_upsample``
            (one in front of each upsampling).
        prior: Config of a prior: what is believed about the degradation, computed once per image.
        prompt: Config of a prompt, computed once per image.
        dim: Channels of the first level.
        depths: Blocks per level, the bottleneck last; 1 or more.
        heads: Attention heads per level.
        refinement: Blocks after the decoder.
        input_range: What 0 and 1 become before the prompt and the first layer see an image. The
            public code of M2Restore trains with degraded images in -1 to 1 and clean ones in 0 to
            1, so that its weights need ``[-1, 1]``. Priors see 0 to 1 in any case.

    Raises:
        ValueError: A place is unknown or empty, a prior stands where a prompt should or the other
            way round, ``dim`` is no whole number above 0, ``depths`` or ``heads`` is no list of
            them, or their lengths differ, a level has no block, or ``input_range`` is no range.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        bottleneck: dict[str, Any],
        decoder: dict[str, Any],
        prior: dict[str, Any] | None = None,
        prompt: dict[str, Any] | None = None,
        dim: int = 48,
        depths: tuple[int, ...] = (4, 6, 6, 8),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 4,
        input_range: tuple[float, float] = (0, 1),
    ) -> None:
        super().__init__()
        if len(input_range) != 2 or input_range[0] >= input_range[1]:
            raise ValueError(
                f'input_range={list(input_range)} must be what 0 and 1 become, such as [-1, 1].'
            )
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f'dim={dim!r} must be a whole number above 0.')
        for name, counts in (('depths', depths), ('heads', heads)):
            if not isinstance(counts, (list, tuple)) or not all(isinstance(c, int) for c in counts):
                raise ValueError(
                    f'{name}={counts!r} must be a list: a whole number for each level.'
                )
        if len(depths) != len(heads) or len(depths) < 2:
            raise ValueError(
                f'depths={list(depths)} and heads={list(heads)} must be of the same length, '
                'two or more.'
            )
        if min(*depths, refinement + 1) < 1:
            raise ValueError(
                f'depths={list(depths)} and refinement={refinement}: every level needs a block; '
                'the refinement may have none.'
            )
        for place, parts in (
            ('encoder', encoder),
            ('bottleneck', bottleneck),
            ('decoder', decoder),
        ):
            _check_place(place, parts)
        self.input_range = tuple(input_range)
        self.multiple = 2 ** (len(depths) - 1)
        self.prior = _describer('prior', prior, 'feature_dim', 'num_degradations')
        self.prompt = _describer('prompt', prompt, 'prompt_dim')
        stages = [self._stage(dim * 2**level, count) for level, count in enumerate(heads)]
        widest = self._stage(2 * dim, heads[0])
        *upper, lowest = stages

        self.embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.before_levels = nn.ModuleList(_place(encoder, 'before_level', s) for s in upper)
        self.encoders = nn.ModuleList(
            _chain(encoder, stage, depth) for stage, depth in zip(upper, depths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(Downsample(stage.dim) for stage in upper)
        self.bottleneck = _chain(bottleneck, lowest, depths[-1])
        # From the lowest level up: entry i of these lists leads from level -1-i to the next finer
        # one.
        coarse = stages[:0:-1]
        fine = [*upper[:0:-1], widest]
        self.before_upsamples = nn.ModuleList(_place(decoder, 'before_upsample', s) for s in coarse)
        self.ups = nn.ModuleList(Upsample(stage.dim) for stage in coarse)
        self.reduces = nn.ModuleList(
            nn.Identity()
            if stage is widest
            else PointwiseConv2d(2 * stage.dim, stage.dim, bias=False)
            for stage in fine
        )
        self.decoders = nn.ModuleList(
            _chain(decoder, stage, depth) for stage, depth in zip(fine, depths[-2::-1], strict=True)
        )
        self.refinement = _chain(decoder, widest, refinement)
        self.output = nn.Conv2d(2 * dim, 3, 3, padding=1, bias=False)
        self.to(memory_format=torch.channels_last)

    def _stage(self, dim: int, heads: int) -> Stage:
        return Stage(
            dim=dim,
            heads=heads,
            prior_dim=self.prior.feature_dim if self.prior is not None else 0,
            num_degradations=self.prior.num_degradations if self.prior is not None else 0,
            prompt_dim=self.prompt.prompt_dim if self.prompt is not None else 0,
        )

    def describe(self, image: Tensor) -> Context:
        """Compute once what every part may know about (B, 3, H, W), RGB, 0 to 1."""
        return Context(
            image=image,
            prior=self.prior(image) if self.prior is not None else None,
            prompt=self.prompt(self._scaled(image)) if self.prompt is not None else None,
        )

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images.

        Args:
            image: (B, 3, H, W), RGB, 0 to 1, of any size. It is padded by reflection to the
                network's multiple and the answer is cropped back.
            context: From ``describe``, to read what the parts recorded or to share one prior
                between tiles. Computed from ``image`` where it is not given.

        Returns:
            (B, 3, H, W), not clipped.
        """
        context = self.describe(image) if context is None else context
        height, width = image.shape[-2:]
        padded = pad_to_multiple(self._scaled(image), self.multiple)
        padded = padded.contiguous(memory_format=torch.channels_last)
        context = replace(context, image=padded)  # shares the list of routings
        x = self.embed(padded)
        skips = []
        for before, encoder, down in zip(
            self.before_levels, self.encoders, self.downs, strict=True
        ):
            x = encoder(before(x, context), context)
            skips.append(x)
            x = down(x)
        x = self.bottleneck(x, context)
        for before, up, reduce, decoder in zip(
            self.before_upsamples, self.ups, self.reduces, self.decoders, strict=True
        ):
            x = up(before(x, context))
            x = decoder(reduce(torch.cat([x, skips.pop()], dim=1)), context)
        restored = self.output(self.refinement(x, context)) + padded
        return restored[..., :height, :width]

    def _scaled(self, image: Tensor) -> Tensor:
        low, high = self.input_range
        return image if (low, high) == (0, 1) else low + (high - low) * image


def _check_place(place: str, parts: Any) -> None:
    if not isinstance(parts, Mapping) or not parts.get('block'):
        raise ValueError(f'{place} needs a block, such as {{block: {{type: TransformerBlock}}}}.')
    for name in parts:
        if name not in PLACES[place]:
            raise ValueError(
                f'{place} has no place called {name!r}. {suggest(name, PLACES[place])}'
            )


def _describer(kind: str, cfg: Mapping[str, Any] | None, *sizes: str) -> nn.Module | None:
    """A prior or a prompt. They share a registry and are told apart by the sizes that they say."""
    if not cfg:
        return None
    part = PRIORS.build(cfg)
    missing = [size for size in sizes if not hasattr(part, size)]
    if missing:
        raise ValueError(
            f'{cfg["type"]} is no {kind}: it does not say {" and ".join(missing)}. '
            'Priors stand under `prior`, prompts under `prompt`.'
        )
    return part


def _place(parts: Mapping[str, Any], name: str, stage: Stage) -> Chain:
    """The part of an optional place, or nothing."""
    return Chain([BLOCKS.build(parts[name], stage=stage)] if parts.get(name) else [])


def _chain(parts: Mapping[str, Any], stage: Stage, depth: int) -> Chain:
    return Chain(BLOCKS.build(parts['block'], stage=stage) for _ in range(depth))
