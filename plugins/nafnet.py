"""NAFNet: the whole network, for motion blur and for the noise of telephones.

    plugins: [plugins/naf_block.py, plugins/nafnet.py]
    model: {network: {type: NAFNet, block: {type: NAFBlock}, dim: 32, depths: [1, 1, 1, 28, 1]}}

Its U differs from the others' at every joint: strided convolutions lead down, what the encoder
found is added instead of laid beside, and images are padded by zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.conversion import rename_weights
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationNetwork
from irbox.networks.chain import Chain
from irbox.networks.way_down import way_down
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Features, Stage
from irbox.utils.bounded import PositiveInt


@MODELS.register_module()
class NAFNet(RestorationNetwork):
    """A U of blocks without activation functions (Chen et al., ECCV 2022).

    Level ``i`` works at ``dim * 2**i`` channels and ``1 / 2**i`` of the size, on both ways.

    Args:
        block: Config of the block at every place.
        dim: Channels of the first level.
        depths: Blocks per level on the way down, those in the middle last.
        decoder_depths: Blocks per level on the way up, the deepest first.
        window: Pixels of the image, a side: in evaluation, means of larger images are over windows
            of this size (``NAFBlock``), scaled to each level. The published networks for GoPro and
            REDS take 384, which is 1.5 times their training crops; those for SIDD none.

    Raises:
        ValueError: The numbers of levels do not fit.
    """

    def __init__(
        self,
        block: dict[str, Any],
        dim: PositiveInt = 32,
        depths: tuple[int, ...] = (1, 1, 1, 28, 1),
        decoder_depths: tuple[int, ...] = (1, 1, 1, 1),
        window: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        if len(depths) != len(decoder_depths) + 1 or len(depths) < 2:
            raise ValueError(
                f'depths={list(depths)} must have one number more than decoder_depths='
                f'{list(decoder_depths)}: the last is of the blocks in the middle.'
            )
        levels = len(decoder_depths)
        self.multiple = 2**levels

        def chain(level: int, depth: int) -> Chain:
            stage = Stage(dim * 2**level, heads=1)
            local = {'window': max(1, window >> level)} if window else {}
            return Chain(BLOCKS.build(block, stage=stage, **local) for _ in range(depth))

        widths = [dim * 2**level for level in range(levels + 1)]
        self.embed = nn.Conv2d(3, dim, 3, padding=1)
        self.encoders = nn.ModuleList(chain(i, depth) for i, depth in enumerate(depths[:-1]))
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in widths[:-1])
        self.middle = chain(levels, depths[-1])
        # From the lowest level up.
        self.ups = nn.ModuleList(
            nn.Sequential(PointwiseConv2d(c, 2 * c, bias=False), nn.PixelShuffle(2))
            for c in widths[:0:-1]
        )
        self.decoders = nn.ModuleList(
            chain(level, depth)
            for level, depth in zip(reversed(range(levels)), decoder_depths, strict=True)
        )
        self.output = nn.Conv2d(dim, 3, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def pad(self, image: Tensor) -> Tensor:
        """Pad bottom and right by zeros, (B, 3, H, W) -> (B, 3, H', W')."""
        height, width = image.shape[-2:]
        return F.pad(image, (0, -width % self.multiple, 0, -height % self.multiple))

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore (B, 3, H, W), RGB, 0 to 1, of a size that can be halved at every level."""
        x, skips = way_down(self.embed(padded), self.encoders, self.downs, context)
        x = self.middle(x, context)
        context.record(Features(x, 'middle'))
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop(), context)
        answer: Tensor = self.output(x) + padded
        return answer

    def places(self) -> dict[str, nn.Module]:
        """Name the levels on the way down and up."""
        levels = len(self.decoders)
        return (
            {f'encoder {level}: block': one for level, one in enumerate(self.encoders, 1)}
            | {'middle: block': self.middle}
            | {f'decoder {levels - below}: block': one for below, one in enumerate(self.decoders)}
        )


_PLACES = {'embed': 'intro', 'middle': 'middle_blks', 'output': 'ending'}


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of NAFNet the names of a ``NAFNet``.

    Args:
        released: What the released file holds under ``params``.
        network: What the weights are for; it may be on the meta device. Windows have no weights.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(released, network, _name, 'NAFNet')


def _name(key: str) -> str:
    return re.sub(r'^\w+', lambda place: _PLACES.get(place[0], place[0]), key)
