"""AdaIR's frequency block."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from irbox.blocks.adaptive_frequency_block import AdaptiveFrequencyBlock
from irbox.structures import Bands, Context
from irbox.testing.reference.twins import twin_of


@twin_of(AdaptiveFrequencyBlock)
class TextbookAdaptiveFrequencyBlock(AdaptiveFrequencyBlock):
    """Each band of the image asks the features, the features ask what comes of it."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        image = F.interpolate(context.image, x.shape[-2:], mode='bilinear', align_corners=False)
        low, high = self.split(self.embed(image))
        context.record(Bands(low, high))
        low = self.attend_low(low, x)
        high = self.attend_high(high, x)
        answer: Tensor = self.alpha * self.attend(x, self.modulate(low, high)) + self.beta * x
        return answer
