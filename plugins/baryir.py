"""BaryIR: what degradations have in common apart from the rest, in the form on Restormer.

    plugins: [plugins/baryir.py]
    model: {network: {type: BaryIR, block: {type: TransformerBlock}}}

The deepest features are split in a part meant to be common to all degradations and the rest; the
rest has a small decoder of its own, which feeds the skips of the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from irbox.conversion import UNET_PARTS, UNET_PLACES, published_name, rename_weights
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.networks import RestorationNetwork
from irbox.networks.chain import Chain
from irbox.networks.way_down import way_down
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Stage
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt

LEVELS = 4
HEADS_OF_MIXERS = 4
"""Of the blocks between decoders, at every level."""


@dataclass(frozen=True)
class Decomposition:
    """Holds the parts that deepest features are split in, for losses."""

    features: Tensor
    """(B, C, H, W), the normalised features z."""
    common: Tensor
    """(B, C, H, W), what is meant to be common to all degradations, b."""
    rest: Tensor
    """(B, C, H, W), z - b."""


class Ascent(nn.Module):
    """Leads the features and the rest from one level to the next finer one.

    Features are mixed by a block, both are narrowed, and both are resized.

    Args:
        block: Config of the block that mixes the features.
        joint: Channels of the features, at the lowest level the rest beside them.
        dim: Channels of the level, and of the rest.
        narrow: Channels of the features before they are resized.
    """

    def __init__(self, block: dict[str, Any], joint: int, dim: int, narrow: int) -> None:
        super().__init__()
        self.mix = BLOCKS.build(block, stage=Stage(joint, HEADS_OF_MIXERS))
        self.narrow = PointwiseConv2d(joint, narrow, bias=False)
        self.narrow_rest = PointwiseConv2d(dim, dim, bias=False)
        self.up = Upsample(narrow)
        self.up_rest = Upsample(dim)

    def forward(self, x: Tensor, rest: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Give the features and the rest on the next level, twice the size."""
        x = self.up(self.narrow(self.mix(x, context)))
        return x, self.up_rest(self.narrow_rest(rest))


@MODELS.register_module()
class BaryIR(RestorationNetwork):
    """A Restormer that splits its deepest features (BaryIR, TPAMI 2026).

    ``z = LN latent``, ``b = LN(blocks(z))`` with the same norm, and ``r = z - b``. ``r`` is decoded
    beside ``[b; r]`` and added, times ``skip_weight``, to what the encoder kept. The split is
    recorded as a ``Decomposition``. What trains it as its paper does, potentials that play against
    the network, is not here.

    Args:
        block: Config of the block at every place.
        dim: Channels of the first level.
        depths: Blocks per level, the deepest last, four of them.
        common_depth: Blocks that find the common part.
        rest_depth: Blocks of the rest's decoder, at each of its two levels.
        heads: Attention heads per level.
        rest_heads: Attention heads of the rest's decoder, the deeper first.
        refinement: Blocks after the decoder.
        skip_weight: Of the rest in the skips.
        unused_weights: Also hold so many weights that nothing reads: the public code owns, counts
            and never calls six convolutions, 215,296 weights in all. They get no gradient:
            distributed training needs ``find_unused_parameters``.

    Raises:
        ValueError: There are not four levels.
    """

    multiple = 2 ** (LEVELS - 1)

    def __init__(
        self,
        block: dict[str, Any],
        dim: PositiveInt = 48,
        depths: tuple[int, ...] = (4, 6, 6, 8),
        common_depth: NonNegativeInt = 8,
        rest_depth: NonNegativeInt = 6,
        heads: tuple[int, ...] = (1, 2, 4, 8),
        rest_heads: tuple[int, int] = (4, 2),
        refinement: NonNegativeInt = 4,
        skip_weight: NonNegativeFloat = 0.8,
        unused_weights: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        if not len(depths) == len(heads) == LEVELS:
            raise ValueError(
                f'BaryIR has four levels; got depths={list(depths)}, heads={list(heads)}.'
            )
        self.skip_weight = skip_weight

        def chain(width: int, count: int, depth: int) -> Chain:
            return Chain(BLOCKS.build(block, stage=Stage(width, count)) for _ in range(depth))

        one, two, three, four = (dim * 2**level for level in range(LEVELS))
        self.embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(
            chain(width, heads[i], depths[i]) for i, width in enumerate((one, two, three))
        )
        self.downs = nn.ModuleList(Downsample(width) for width in (one, two, three))
        self.bottleneck = chain(four, heads[3], depths[3])
        self.norm = LayerNorm2d(four)
        self.common = chain(four, heads[3], common_depth)
        # From the lowest level up.
        self.ascents = nn.ModuleList(
            [
                Ascent(block, 2 * four, four, three),
                Ascent(block, three, three, three),
                Ascent(block, two, two, two),
            ]
        )
        self.reduces = nn.ModuleList(
            [
                PointwiseConv2d(two + three, three, bias=False),
                PointwiseConv2d(2 * two, two, bias=False),
                nn.Identity(),
            ]
        )
        self.decoders = nn.ModuleList(
            [
                chain(three, heads[2], depths[2]),
                chain(two, heads[1], depths[1]),
                chain(two, heads[0], depths[0]),
            ]
        )
        self.rest_reduces = nn.ModuleList(
            PointwiseConv2d(width, width, bias=False) for width in (three, two)
        )
        self.rest_decoders = nn.ModuleList(
            chain(width, count, rest_depth)
            for width, count in zip((three, two), rest_heads, strict=True)
        )
        self.refinement = chain(two, heads[0], refinement)
        self.output = nn.Conv2d(two, 3, 3, padding=1, bias=False)
        if unused_weights:
            # One vector: only how many they are matters.
            self.unused = nn.Parameter(torch.zeros(unused_weights))
        self.to(memory_format=torch.channels_last)

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W), RGB, 0 to 1, of a size that can be halved three times."""
        x, skips = way_down(self.embed(padded), self.encoders, self.downs, context)
        features = self.norm(self.bottleneck(x, context))
        common = self.norm(self.common(features, context))
        rest = features - common
        context.record(Decomposition(features, common, rest))
        x = torch.cat([common, rest], dim=1)
        for number, ascent in enumerate(self.ascents):
            x, rest = ascent(x, rest, context)
            joined = torch.cat([x, skips.pop() + self.skip_weight * rest], dim=1)
            x = self.decoders[number](self.reduces[number](joined), context)
            if number < len(self.rest_decoders):
                rest = self.rest_decoders[number](self.rest_reduces[number](rest), context)
        answer: Tensor = self.output(self.refinement(x, context)) + padded
        return answer

    def places(self) -> dict[str, nn.Module]:
        """Name the places with the level that each stands at."""
        return (
            {f'encoder {level}: block': one for level, one in enumerate(self.encoders, 1)}
            | {'bottleneck: block': self.bottleneck, 'common: block': self.common}
            | {f'ascent {4 - below}': one for below, one in enumerate(self.ascents)}
            | {f'decoder {3 - below}: block': one for below, one in enumerate(self.decoders)}
            | {f'rest {3 - below}: block': one for below, one in enumerate(self.rest_decoders)}
            | {'refinement: block': self.refinement}
        )


# Ours -> published, see published_name.
_PLACES = {ours: theirs for ours, theirs in UNET_PLACES.items() if not ours.startswith('ups.')} | {
    'norm.': 'LN.body.',
    'common.': 'barylatent.',
    'rest_reduces.0.': 'resreduce_chan_level3.',
    'rest_reduces.1.': 'resreduce_chan_level2.',
    'rest_decoders.0.': 'resdecoder_level3.',
    'rest_decoders.1.': 'resdecoder_level2.',
}
for _number, _level in enumerate((3, 2, 1)):
    _PLACES |= {
        f'ascents.{_number}.mix.': f'noise_level{_level}.',
        f'ascents.{_number}.narrow.': f'reduce_noise_level{_level}.',
        f'ascents.{_number}.narrow_rest.': f'resreduce_noise_level{_level}.',
        f'ascents.{_number}.up.0.': f'up{_level + 1}_{_level}.body.0.',
        f'ascents.{_number}.up_rest.0.': f'resup{_level + 1}_{_level}.body.0.',
    }
_UNUSED = re.compile(r'(module\.)?(net\.)?(chnl_reduce\d|reduce_noise_channel_\d)\.')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of BaryIR, in its form on Restormer, the names of a ``BaryIR``.

    Args:
        released: The state dict of the module in the released file. That file is a pickled module,
            and opening it runs its code: take the state dict out elsewhere.
        network: What the weights are for; it may be on the meta device. Without
            ``unused_weights`` the six convolutions that are never called are left out; with it they
            are laid one behind the other, in the order of their names.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    idle = [released[name].flatten() for name in sorted(released) if _UNUSED.match(name)]
    if idle and 'unused' in network.state_dict():
        rest = {name: tensor for name, tensor in released.items() if not _UNUSED.match(name)}
        released = rest | {'unused': torch.cat(idle)}
    return rename_weights(released, network, _name, 'BaryIR', _UNUSED)


def _name(key: str) -> str:
    return published_name(key, _PLACES, UNET_PARTS)
