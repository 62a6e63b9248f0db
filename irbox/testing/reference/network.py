"""The U, with channels-first maps."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from irbox.layers.padding import pad_to_multiple
from irbox.networks.chain import Chain
from irbox.networks.restoration_network import RestorationNetwork
from irbox.networks.restoration_unet import RestorationUNet
from irbox.structures import Context, Features
from irbox.testing.reference.twins import twin_of


@twin_of(Chain)
class TextbookChain(Chain):
    """One block after the other."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        for block in self:
            x = block(x, context)
        return x


@twin_of(RestorationNetwork)
class TextbookRestorationNetwork(RestorationNetwork):
    """Pad, restore, crop."""

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """(B, 3, H, W) -> same shape."""
        context = self.describe(image) if context is None else context
        height, width = image.shape[-2:]
        padded = pad_to_multiple(self.scale(image), self.multiple).contiguous()
        return self.restore(padded, replace(context, image=padded))[..., :height, :width]


@twin_of(RestorationUNet)
class TextbookRestorationUNet(RestorationUNet):
    """Down, up again, and what was found added to the image."""

    forward = TextbookRestorationNetwork.forward

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """(B, 3, H, W) -> same shape."""
        x = self.embed(padded)
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(self.before_levels[level](x, context), context)
            skips.append(x)
            context.record(Features(x, f'encoder {level + 1}'))
            x = self.downs[level](x)
        x = self.bottleneck(x, context)
        context.record(Features(x, 'bottleneck'))
        for level, decoder in enumerate(self.decoders):
            x = self.ups[level](self.before_upsamples[level](x, context))
            x = self.reduces[level](torch.cat([x, skips.pop()], dim=1))
            x = decoder(x, context)
        change = self.output(self.refinement(x, context))
        if self.least_change is not None and context.prior is not None and not self.training:
            change = self.least_change(change, context.prior.probabilities)
        answer: Tensor = padded + change
        return answer
