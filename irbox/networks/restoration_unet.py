"""The U that both systems are compositions of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.least_change import LeastChange
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.networks.chain import Chain
from irbox.networks.restoration_network import RestorationNetwork
from irbox.registry import BLOCKS, MODELS, PRIORS, suggest
from irbox.structures import Context, Features, Stage
from irbox.utils.bounded import NonNegativeFloat, PositiveInt

PLACES = {
    'encoder': ('before_level', 'block'),
    'bottleneck': ('block',),
    'decoder': ('before_upsample', 'block'),
}


@MODELS.register_module()
class RestorationUNet(RestorationNetwork):
    """Restores with a U that has places for parts, as Restormer, AdaIR, M2Restore and M2IR do.

    Level ``i`` works at ``dim * 2**i`` channels and ``1 / 2**i`` of the size; the papers have four.
    The decoder's first level and the refinement keep both halves of the concatenation and work at
    ``2 * dim``. The network predicts what to add to the image.

    A U whose ends, levels or resampling differ overrides the ``build_`` method that makes them,
    which the constructor calls, or ``descend``.

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
        pixel_unshuffle: Squares of so many pixels become one with all their channels before the
            first layer, and come apart after the last, so that every level works at a size that
            much smaller, as in FFDNet (Zhang, Zuo, Zhang 2018). 1 changes nothing.
        least_change: In evaluation an image that the prior believes to be clean is given back as
            it is where the network would change it by no more than so many levels of 255, see
            ``LeastChange``; of a picture in tiles each tile by itself. One of the prior's
            ``labels`` has to be ``clean``. 0: the network's answer, whatever it is.

    Raises:
        ValueError: A place is unknown or empty, a prior stands where a prompt should or the other
            way round, ``dim`` is no whole number above 0, ``depths`` or ``heads`` is no list of
            them, or their lengths differ, a level has no block, ``input_range`` is no range, or
            ``least_change`` has no prior that knows what is clean, or such a range.
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
        pixel_unshuffle: PositiveInt = 1,
        least_change: NonNegativeFloat = 0.0,
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
        self.input_range = (input_range[0], input_range[1])
        self.pixel_unshuffle = pixel_unshuffle
        self.multiple = pixel_unshuffle * 2 ** (len(depths) - 1)
        self.prior = _describer('prior', prior, 'feature_dim', 'num_degradations')
        self.prompt = _describer('prompt', prompt, 'prompt_dim')
        self.least_change: LeastChange | None = None
        if least_change:
            if self.input_range != (0, 1):
                raise ValueError(
                    f'least_change={least_change} and input_range={input_range}: leave one out.'
                )
            self.least_change = LeastChange(least_change, getattr(self.prior, 'labels', ()))
        stages = [self._stage(dim * 2**level, count) for level, count in enumerate(heads)]
        widest = self._stage(2 * dim, heads[0])
        *upper, lowest = stages

        self.embed = self.build_embedding(dim)
        self.before_levels = nn.ModuleList(_place(encoder, 'before_level', s) for s in upper)
        self.encoders = nn.ModuleList(
            self.build_level(encoder, stage, depth)
            for stage, depth in zip(upper, depths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(Downsample(stage.dim) for stage in upper)
        self.bottleneck = self.build_level(bottleneck, lowest, depths[-1])
        # From the lowest level up: entry i of these lists leads from level -1-i to the next finer
        # one.
        coarse = stages[:0:-1]
        fine = [*upper[:0:-1], widest]
        insertions = [self.build_insertion(decoder, s, i) for i, s in enumerate(coarse)]
        self.before_upsamples = nn.ModuleList(chain for chain, _ in insertions)
        self.ups = nn.ModuleList(self.build_upsampling(width) for _, width in insertions)
        # Upsampling halves the channels; the encoder's answer comes beside them.
        joint = [
            width // 2 + skip.dim for (_, width), skip in zip(insertions, upper[::-1], strict=True)
        ]
        self.reduces = nn.ModuleList(
            nn.Identity() if width == stage.dim else self.build_reduction(width, stage.dim)
            for width, stage in zip(joint, fine, strict=True)
        )
        self.decoders = nn.ModuleList(
            self.build_level(decoder, stage, depth)
            for stage, depth in zip(fine, depths[-2::-1], strict=True)
        )
        self.refinement = self.build_refinement(decoder, widest, refinement)
        self.output = self.build_output(widest.dim)
        self.to(memory_format=torch.channels_last)

    def build_embedding(self, dim: int) -> nn.Module:
        """Build the first layer, (B, 3, H, W) -> (B, dim, H, W)."""
        factor = self.pixel_unshuffle
        conv = nn.Conv2d(3 * factor**2, dim, 3, padding=1, bias=False)
        return conv if factor == 1 else nn.Sequential(nn.PixelUnshuffle(factor), conv)

    def build_level(self, place: Mapping[str, Any], stage: Stage, depth: int) -> nn.Module:
        """Build the blocks of a level, called with a map and the context, of the same shape.

        Args:
            place: The config of the place, ``encoder``, ``bottleneck`` or ``decoder``.
            stage: The level.
            depth: How many blocks.
        """
        return Chain(BLOCKS.build(place['block'], stage=stage) for _ in range(depth))

    def build_insertion(
        self, decoder: Mapping[str, Any], stage: Stage, index: int
    ) -> tuple[nn.Module, int]:
        """Build what stands before an upsampling, called with a map and the context.

        Args:
            decoder: The config of the decoder.
            stage: The level that is upsampled.
            index: 0 for the lowest level.

        Returns:
            The module, and the number of channels that it gives, an even one.
        """
        return _place(decoder, 'before_upsample', stage), stage.dim

    def build_upsampling(self, dim: int) -> nn.Module:
        """Build an upsampling, (B, dim, H, W) -> (B, dim / 2, 2 H, 2 W)."""
        return Upsample(dim)

    def build_reduction(self, width: int, dim: int) -> nn.Module:
        """Build what makes ``dim`` channels of a concatenation of ``width``."""
        return PointwiseConv2d(width, dim, bias=False)

    def build_refinement(self, decoder: Mapping[str, Any], stage: Stage, depth: int) -> nn.Module:
        """Build what follows the decoder, called with a map and the context, of the same shape."""
        return self.build_level(decoder, stage, depth)

    def build_output(self, dim: int) -> nn.Module:
        """Build the last layer, (B, dim, H, W) -> (B, 3, H, W): what is added to the image."""
        factor = self.pixel_unshuffle
        conv = nn.Conv2d(dim, 3 * factor**2, 3, padding=1, bias=False)
        return conv if factor == 1 else nn.Sequential(conv, nn.PixelShuffle(factor))

    def _stage(self, dim: int, heads: int) -> Stage:
        # Any: that the sizes are there was checked, and torch takes all attributes for modules.
        prior: Any = self.prior
        prompt: Any = self.prompt
        return Stage(
            dim=dim,
            heads=heads,
            prior_dim=prior.feature_dim if prior is not None else 0,
            num_degradations=prior.num_degradations if prior is not None else 0,
            prompt_dim=prompt.prompt_dim if prompt is not None else 0,
        )

    def describe(self, image: Tensor) -> Context:
        """Compute once what every part may know about (B, 3, H, W), RGB, 0 to 1."""
        return replace(
            super().describe(image),
            prior=self.prior(image) if self.prior is not None else None,
            prompt=self.prompt(self.scale(image)) if self.prompt is not None else None,
        )

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W) in ``input_range``, of a size that can be halved at every level."""
        x = self.embed(padded).contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level, (before, encoder) in enumerate(
            zip(self.before_levels, self.encoders, strict=True)
        ):
            x = encoder(before(x, context), context)
            skips.append(x)
            context.record(Features(x, f'encoder {len(skips)}'))
            x = self.descend(x, level, context)
        x = self.bottleneck(x, context)
        context.record(Features(x, 'bottleneck'))
        for before, up, reduce, decoder in zip(
            self.before_upsamples, self.ups, self.reduces, self.decoders, strict=True
        ):
            x = up(before(x, context))
            x = decoder(reduce(torch.cat([x, skips.pop()], dim=1)), context)
        change = self.output(self.refinement(x, context))
        if self.least_change is not None and context.prior is not None and not self.training:
            change = self.least_change(change, context.prior.probabilities)
        answer: Tensor = change + padded
        return answer

    def descend(self, x: Tensor, level: int, context: Context) -> Tensor:
        """Lead from a level to the next, (B, C, H, W) -> (B, 2 C, H / 2, W / 2)."""
        answer: Tensor = self.downs[level](x)
        return answer

    def places(self) -> dict[str, nn.Module]:
        """Name the places as configs do, with the level that each stands at."""
        found = {name: getattr(self, name) for name in ('prior', 'prompt')}
        found['embed'] = self.embed
        levels = len(self.encoders) + 1
        for level, parts in enumerate(zip(self.before_levels, self.encoders, strict=True), 1):
            found[f'encoder {level}: before_level'], found[f'encoder {level}: block'] = parts
        found['bottleneck: block'] = self.bottleneck
        for below, (before, decoder) in enumerate(
            zip(self.before_upsamples, self.decoders, strict=True)
        ):
            found[f'decoder {levels - below}: before_upsample'] = before
            found[f'decoder {levels - below - 1}: block'] = decoder
        found['refinement: decoder block'] = self.refinement
        return {name: module for name, module in found.items() if module is not None}


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
    part: nn.Module = PRIORS.build(cfg)
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
