"""Splitting a map into low and high frequencies, and letting each modulate the other (AdaIR)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.standard_operators import wants_standard_operators

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
        if wants_standard_operators():
            return self._by_products(x)
        if self.leaves_low_empty(x):
            # int((size // 128) * t) is 0 for every t in (0, 1): the transform and its inverse can
            # be left out.
            return torch.zeros((), dtype=x.dtype, device=x.device).expand_as(x), x.abs()
        rates = self._rates(x)
        spectrum = torch.fft.fft2(x.float())
        if self.mask == 'soft':
            rows, columns = (2 * torch.fft.fftfreq(size, device=x.device) for size in x.shape[-2:])
            low = torch.fft.ifft2(spectrum * self._soft_mask(rates, rows, columns)).real.to(x.dtype)
            return low, x - low
        mask = self._box_mask(rates, x)
        low = torch.fft.ifft2(spectrum * mask).abs()
        high = torch.fft.ifft2(spectrum * (1 - mask)).abs()
        return low.to(x.dtype), high.to(x.dtype)

    def leaves_low_empty(self, x: Tensor) -> bool:
        """Tell whether the low band of a map (B, C, H, W) is known to be zero, by its size alone.

        Not where standard operators are wanted: sizes are unknown while a network is exported.
        """
        if self.mask != 'box' or wants_standard_operators():
            return False
        return min(x.shape[-2:]) < 2 * BOX_UNIT

    def _rates(self, x: Tensor) -> Tensor:
        """The cut-offs of both axes, (B, 2) in 0 to 1."""
        answer: Tensor = self.rate_conv(x.mean((2, 3), keepdim=True)).float().sigmoid().flatten(1)
        return answer

    def _by_products(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same by matrix products, for programs without a Fourier transform.

        Only the frequencies that the low band may hold are computed: of ``'box'`` a few.
        """
        rates, exact = self._rates(x), x.float()
        if self.mask == 'soft':
            rows, columns = (_all_frequencies(size, x.device) for size in x.shape[-2:])
            # Divided by tensors: formats of networks do not mix tensors and sizes.
            mask = self._soft_mask(rates, *(2 * one / _length(one) for one in (rows, columns)))
            real, _ = low_band(exact, rows, columns, mask)
            return real.to(x.dtype), (exact - real).to(x.dtype)
        axes, inside = [], []
        for axis in (0, 1):
            furthest = x.shape[-2 + axis] // BOX_UNIT
            frequencies = torch.arange(-furthest, furthest + 1, device=x.device)
            reach = (frequencies[-1:] * rates[:, axis]).int().unsqueeze(1)
            axes.append(frequencies)
            inside.append((frequencies >= -reach) & (frequencies < reach))
        mask = (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1).float()
        real, imaginary = low_band(exact, axes[0], axes[1], mask)
        low, high = ((part.square() + imaginary.square()).sqrt() for part in (real, exact - real))
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
    def _soft_mask(rates: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """(B, 1, H, W), near 1 in an ellipse with half-axes ``rates``, 1 the Nyquist frequency.

        ``rows`` (H,) and ``columns`` (W,) are the frequencies in the same unit.
        """
        rates = rates.clamp_min(1e-3)
        radius = (
            (rows / rates[:, :1]).square().unsqueeze(2)
            + (columns / rates[:, 1:]).square().unsqueeze(1)
            + 1e-12
        ).sqrt()
        return torch.sigmoid(10 * (1 - radius)).unsqueeze(1)


def low_band(x: Tensor, rows: Tensor, columns: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Keep some of a map's frequencies, by matrix products.

    Args:
        x: (B, C, H, W), float32.
        rows: (R,), frequencies along the height, whole numbers.
        columns: (S,), along the width.
        mask: (B, 1, R, S), what is kept of each; all others are left out.

    Returns:
        Real and imaginary part of the inverse transform, each (B, C, H, W).
    """
    height, width = (torch.arange(size, device=x.device) for size in x.shape[-2:])
    cos_h, sin_h = _waves(rows, height)
    cos_w, sin_w = _waves(columns, width)
    real, imaginary = cos_h @ x, -(sin_h @ x)
    real, imaginary = (
        mask * (real @ cos_w.t() + imaginary @ sin_w.t()),
        mask * (imaginary @ cos_w.t() - real @ sin_w.t()),
    )
    real, imaginary = (
        real @ cos_w - imaginary @ sin_w,
        imaginary @ cos_w + real @ sin_w,
    )
    pixels = _length(height) * _length(width)
    return (
        (cos_h.t() @ real - sin_h.t() @ imaginary) / pixels,
        (cos_h.t() @ imaginary + sin_h.t() @ real) / pixels,
    )


def _waves(frequencies: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of whole frequencies at each place, (F, size)."""
    size = places[-1:] + 1
    # Whole turns are taken out before anything is rounded.
    turns = (frequencies[:, None] * places).remainder(size).float() / size.float()
    angles = 2 * math.pi * turns
    return angles.cos(), angles.sin()


def _all_frequencies(size: int, device: torch.device) -> Tensor:
    """The whole frequencies of a discrete transform, zero first, (size,)."""
    places = torch.arange(size, device=device)
    length = places[-1:] + 1
    return torch.where(2 * places >= length, places - length, places)


def _length(places: Tensor) -> Tensor:
    """How many they are, (1,), as a tensor."""
    return torch.ones_like(places).sum(0, keepdim=True).float()


def _peaks(x: Tensor) -> Tensor:
    """The largest value of each channel, (B, C, 1, 1)."""
    if wants_standard_operators():
        return x.amax((2, 3), keepdim=True)
    # Among equal values one gets the gradient, as in the public code; amax would share it.
    return first_peaks(x) if x.device.type == 'cuda' else F.adaptive_max_pool2d(x, 1)


def first_peaks(x: Tensor) -> Tensor:
    """Do what ``adaptive_max_pool2d(x, 1)`` does, which walks a channel alone on CUDA devices."""
    values: Tensor = x.flatten(2).max(2, keepdim=True).values
    return values.unsqueeze(3)


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
        average = self.channel_gate(low.mean((2, 3), keepdim=True))
        peak = self.channel_gate(_peaks(low))
        strength = torch.cat([high.amax(1, keepdim=True), high.mean(1, keepdim=True)], dim=1)
        gated_high = high * (average + peak).sigmoid()
        merged = torch.addcmul(gated_high, low, self.spatial_gate(strength).sigmoid())
        answer: Tensor = self.proj(merged)
        return answer
