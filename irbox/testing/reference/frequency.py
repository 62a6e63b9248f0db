"""Bands of frequencies, split by masks that loops make."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from irbox.layers.frequency import BOX_UNIT, BandSplit, FrequencyModulation
from irbox.testing.reference.twins import twin_of, wide


@twin_of(BandSplit)
class TextbookBandSplit(BandSplit):
    """Transform, multiply by a mask and by what it leaves, transform back (AdaIR)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> low and high band, each of the same shape."""
        rates = wide(self.rate_conv(x.mean((2, 3), keepdim=True))).sigmoid().flatten(1)
        spectrum = torch.fft.fftshift(torch.fft.fft2(wide(x)), dim=(-2, -1))
        if self.mask == 'box':
            mask = torch.zeros(len(x), 1, *x.shape[-2:], device=x.device)
            for image, (height, width) in enumerate(_reaches(rates, x.shape[-2:])):
                middle_h, middle_w = x.shape[-2] // 2, x.shape[-1] // 2
                rows = slice(middle_h - height, middle_h + height)
                columns = slice(middle_w - width, middle_w + width)
                mask[image, :, rows, columns] = 1
            low, high = self._back(spectrum * mask), self._back(spectrum * (1 - mask))
            return low.abs().to(x.dtype), high.abs().to(x.dtype)
        mask = torch.stack([self._ellipse(rate, x) for rate in rates])
        low = self._back(spectrum * mask).real.to(x.dtype)
        return low, x - low

    @staticmethod
    def _back(spectrum: Tensor) -> Tensor:
        answer: Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1)))
        return answer

    @staticmethod
    def _ellipse(rate: Tensor, x: Tensor) -> Tensor:
        """(1, H, W), near 1 where ``(2 f_h / r_h)^2 + (2 f_w / r_w)^2 < 1``."""
        axes = [(torch.arange(n).to(rate) - n // 2) / n for n in x.shape[-2:]]
        rows, columns = torch.meshgrid(*axes, indexing='ij')
        height, width = rate.clamp_min(1e-3)
        radius = torch.sqrt((2 * rows / height) ** 2 + (2 * columns / width) ** 2 + 1e-12)
        return torch.sigmoid(10 * (1 - radius))[None]


def _reaches(rates: Tensor, size: torch.Size) -> list[tuple[int, int]]:
    """How many frequencies of each image a box reaches to each side, down and across."""
    height, width = (side // BOX_UNIT for side in size)
    if rates.is_meta:  # no values: the boxes are empty
        return [(0, 0)] * len(rates)
    return [(math.floor(height * h), math.floor(width * w)) for h, w in rates.tolist()]


@twin_of(FrequencyModulation)
class TextbookFrequencyModulation(FrequencyModulation):
    """The low band scales the high one per channel, and is scaled by it per pixel (AdaIR)."""

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Two maps (B, C, H, W) -> one."""
        average = self.channel_gate(low.mean((2, 3), keepdim=True))
        peak = self.channel_gate(low.amax((2, 3), keepdim=True))
        strength = [high.max(1, keepdim=True).values, high.mean(1, keepdim=True)]
        gated_high = high * torch.sigmoid(average + peak)
        gated_low = low * torch.sigmoid(self.spatial_gate(torch.cat(strength, dim=1)))
        answer: Tensor = self.proj(gated_high + gated_low)
        return answer
