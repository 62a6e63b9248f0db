"""An expert that works on whole spectra.

Use it in a config with

    plugins: [plugins/fourier_expert.py]
    model: {network: {encoder: {before_level: {expert: {_delete_: true, type: FourierExpert}}}}}
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.registry import EXPERTS


@EXPERTS.register_module()
class FourierExpert(nn.Module):
    """Scales the amplitudes of each channel's spectrum around its mean, and mixes the channels.

    A channel's constant part and the rest get a learned gain each, so that the expert can lift
    haze or darkness, which sit in the constant part, without touching detail.

    Args:
        dim: Number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.constant_gain = nn.Parameter(torch.ones(dim, 1, 1))
        self.detail_gain = nn.Parameter(torch.ones(dim, 1, 1))
        self.mix = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        spectrum = torch.fft.rfft2(x.float())
        constant = torch.zeros_like(spectrum)
        constant[..., 0, 0] = spectrum[..., 0, 0]
        scaled = self.constant_gain * constant + self.detail_gain * (spectrum - constant)
        answer: Tensor = self.mix(torch.fft.irfft2(scaled, s=x.shape[-2:]).to(x.dtype))
        return answer
