"""Splitting a map into low and high frequencies, and letting each modulate the other (AdaIR)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d

Mask = Literal['box', 'soft']

# The public code's box reaches `int((size // 128) * t)` frequencies to each side, t in (0, 1).
BOX_UNIT = 128


class BandSplit(nn.Module):
    """Split a map into its low and its high frequencies at learned cut-offs.

    Args:
        dim: Number of channels.
        mask: ``'box'``: what the public code of AdaIR and M2Restore computes. A box of
            ``int((H // 128) * t_h) x int((W // 128) * t_w)`` frequencies to each side of zero is
            the low band, and the magnitude after the inverse transform is returned. The cut-offs
            get no gradient, and **the low band is empty unless both sides of the map reach 256
            pixels**: at every published training crop it is exactly zero and the high band is
            ``|x|``. ``'soft'``: ours, a differentiable elliptic mask that really splits the bands;
            low + high = x.

    Note:
        With ``'box'`` the weights of the cut-offs never get a gradient. They are kept since
        published checkpoints hold them, and since they decide the split of maps of 256 pixels and
        more.
    """

    def __init__(self, dim: int, mask: Mask = 'box') -> None:
        super().__init__()
        self.mask = mask
        hidden = max(dim // 8, 1)
        self.rate_conv = nn.Sequential(
            nn.Conv2d(dim, hidden, 1, bias=False), nn.GELU(), nn.Conv2d(hidden, 2, 1, bias=False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split a map (B, C, H, W) into its (low, high) bands, each of the same shape."""
        if self.mask == 'box' and min(x.shape[-2:]) < 2 * BOX_UNIT:
            # int((size // 128) * t) is 0 for every t in (0, 1): the transform and its inverse can
            # be left out.
            return torch.zeros_like(x), x.abs()
        rates = self.rate_conv(F.adaptive_avg_pool2d(x, 1)).float().sigmoid().flatten(1)
        spectrum = torch.fft.fft2(x.float())
        if self.mask == 'soft':
            low = torch.fft.ifft2(spectrum * self._soft_mask(rates, x)).real.to(x.dtype)
            return low, x - low
        mask = self._box_mask(rates, x)
        low = torch.fft.ifft2(spectrum * mask).abs()
        high = torch.fft.ifft2(spectrum * (1 - mask)).abs()
        return low.to(x.dtype), high.to(x.dtype)

    @staticmethod
    def _box_mask(rates: Tensor, x: Tensor) -> Tensor:
        """(B, 1, H, W), 1 in [-s, s) around frequency zero."""
        inside = []
        for axis in (0, 1):
            size = x.shape[-2 + axis]
            reach = (size // BOX_UNIT * rates[:, axis]).int().unsqueeze(1)
            frequency = (torch.fft.fftfreq(size, device=x.device) * size).round().int()
            inside.append((frequency >= -reach) & (frequency < reach))
        answer: Tensor = (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1).float()
        return answer

    @staticmethod
    def _soft_mask(rates: Tensor, x: Tensor) -> Tensor:
        """(B, 1, H, W), near 1 in an ellipse with half-axes ``rates``, 1 the Nyquist frequency."""
        rows = 2 * torch.fft.fftfreq(x.shape[-2], device=x.device)
        columns = 2 * torch.fft.fftfreq(x.shape[-1], device=x.device)
        rates = rates.clamp_min(1e-3)
        radius = (
            (rows / rates[:, :1]).square().unsqueeze(2)
            + (columns / rates[:, 1:]).square().unsqueeze(1)
            + 1e-12
        ).sqrt()
        return torch.sigmoid(10 * (1 - radius)).unsqueeze(1)


class FrequencyModulation(nn.Module):
    """Let each band gate the other, and merge them (AdaIR's frequency modulation).

    The high band is scaled per channel by what the low band holds, the low band per pixel by where
    the high band is strong.

    Args:
        dim: Number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(dim // 16, 1)
        self.channel_gate = nn.Sequential(
            nn.Conv2d(dim, hidden, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, dim, 1, bias=False),
        )
        self.spatial_gate = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.proj = PointwiseConv2d(dim, dim)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Merge the bands, two maps (B, C, H, W) -> one."""
        average = self.channel_gate(F.adaptive_avg_pool2d(low, 1))
        peak = self.channel_gate(F.adaptive_max_pool2d(low, 1))
        strength = torch.cat([high.amax(1, keepdim=True), high.mean(1, keepdim=True)], dim=1)
        gated_high = high * (average + peak).sigmoid()
        gated_low = low * self.spatial_gate(strength).sigmoid()
        answer: Tensor = self.proj(gated_high + gated_low)
        return answer
