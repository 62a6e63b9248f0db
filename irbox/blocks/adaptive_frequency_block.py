"""AdaIR's frequency block, which M2Restore uses while decoding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.frequency import BandSplit, FrequencyModulation, Mask
from irbox.layers.zero_query import attend_by_zeros
from irbox.registry import BLOCKS
from irbox.structures import Bands, Context, Stage
from irbox.utils.bounded import PositiveInt


@BLOCKS.register_module()
class AdaptiveFrequencyBlock(nn.Module):
    """Cleans features with the frequencies of the degraded image (AFLB; AdaIR, M2Restore III-A).

    The image is resized to the map, split into two bands, each band asks the features by channel
    attention, the bands modulate each other, and the features ask the result: ``alpha * attention +
    beta * x`` with ``alpha`` 0 and ``beta`` 1 at the start.

    Args:
        stage: Where the block sits.
        heads: Attention heads: 4 at every level in the public code, whatever the level's own
            number.
        mask: How the bands are split, see ``BandSplit``.
        unused_weights: Also hold two convolutions that the public code owns and never calls, so
            that its checkpoints load and its parameter count is met. They never get a gradient;
            distributed training then needs ``find_unused_parameters: true``.

    Note:
        With the published mask the low band of every crop of a usual training is empty, and neither
        the cut-offs nor what asks by the low band (the query of ``attend_low``) learn anything. On
        images whose map at this place reaches 256 pixels on both sides (512 and more in front of
        the last upsampling) they take part as they were initialised. ``mask: soft`` trains them;
        restoring in tiles avoids such sizes.
    """

    def __init__(
        self, stage: Stage, heads: PositiveInt = 4, mask: Mask = 'box', unused_weights: bool = False
    ) -> None:
        super().__init__()
        dim = stage.dim
        self.alpha = nn.Parameter(torch.zeros(dim, 1, 1))
        self.beta = nn.Parameter(torch.ones(dim, 1, 1))
        self.embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.split = BandSplit(dim, mask)
        # With the published mask no gradient reaches the cut-offs: see BandSplit.
        self.split.requires_grad_(mask != 'box' or unused_weights)
        self.attend_low = TransposedCrossAttention(dim, heads)
        self.attend_high = TransposedCrossAttention(dim, heads)
        self.modulate = FrequencyModulation(dim)
        self.attend = TransposedCrossAttention(dim, heads)
        if unused_weights:
            self.conv = nn.Conv2d(3, dim, 3, padding=1, bias=False)
            self.score_gen = nn.Conv2d(2, 2, 7, padding=3)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Clean a map, (B, C, H, W) -> same shape."""
        image = F.interpolate(context.image, x.shape[-2:], mode='bilinear', align_corners=False)
        image = image.contiguous(memory_format=torch.channels_last)
        low, high = self.split(self.embed(image))
        context.record(Bands(low, high))
        if self.split.leaves_low_empty(low):
            found = attend_by_zeros(self.attend_low, low, x)
        else:
            found = self.attend_low(low, x)
        merged = self.modulate(found, self.attend_high(high, x))
        return self.attend.add_to(x, x, merged, (self.alpha, self.beta))
