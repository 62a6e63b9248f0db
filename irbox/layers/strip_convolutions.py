"""What a strip's wide map is convolved by, and what follows while it is in the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.channel_attention import squares_of
from irbox.layers.gate import StripGate
from irbox.native import operators
from irbox.native.library import LANES, native

Answer = TypeVar('Answer')
Place = tuple[slice, slice]
"""Images, and which of their rows."""


class StripConvolution(ABC, Generic[Answer]):
    """A depthwise convolution of strips, 3x3, with nothing to differentiate.

    Args:
        weight: (C, 1, 3, 3), in the dtype of the wide map.
        bias: (C,), or None.
        whole: Channels that have to be whole vectors for a kernel of ours; torch's operators
            compute elsewhere.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, whole: int = LANES) -> None:
        self.weight, self.bias = weight, bias
        fits = weight.dtype in operators.KINDS and not whole % LANES and not len(weight) % LANES
        self.library = native() if fits and weight.device.type == 'cpu' else None
        if self.library is not None:
            self.taps = operators.taps(weight)
            self.shift = None if bias is None else bias.float()

    @abstractmethod
    def __call__(self, window: Tensor, margin: bool, place: Place) -> Answer:
        """Convolve a strip.

        Args:
            window: (images, rows, W, C), contiguous.
            margin: Whether it has a row above and one below those that are asked for; else zeros
                are there.
            place: Where in the map those are.
        """

    def convolve(self, window: Tensor, margin: bool) -> Tensor:
        """Convolve by torch's operator, (images, rows, W, C) -> the same, contiguous."""
        answer = F.conv2d(
            window.permute(0, 3, 1, 2),
            self.weight,
            self.bias,
            padding=(0 if margin else 1, 1),
            groups=len(self.weight),
        )
        return answer.permute(0, 2, 3, 1).contiguous()


class Convolved(StripConvolution[Tensor]):
    """The convolution alone."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        # No kernel of ours is asked (1 is no whole vector): torch's is as fast at this alone.
        super().__init__(weight, bias, whole=1)

    def __call__(self, window: Tensor, margin: bool, place: Place) -> Tensor:
        """Give the strip's answer, (images, rows, W, C)."""
        return self.convolve(window, margin)


class Gated(StripConvolution[Tensor]):
    """``gelu(a) * b`` of the convolved map's halves."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight, bias, whole=len(weight) // 2)
        self._gate = StripGate()

    def __call__(self, window: Tensor, margin: bool, place: Place) -> Tensor:
        """Give the strip's answer, (images, rows, W, C / 2), valid until the next call."""
        if self.library is None:
            return self._gate(self.convolve(window, margin))
        return operators.gate(self.library, window, self.taps, self.shift, margin)


class Attended(StripConvolution[tuple[Tensor, Tensor]]):
    """Queries and keys of the convolved map; its values go where they are kept.

    Args:
        weight: See ``StripConvolution``; the map is at least ``3 dim`` wide.
        bias: The same.
        values: (B, H, W, dim), contiguous, written to.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, values: Tensor) -> None:
        super().__init__(weight, bias, whole=values.shape[-1])
        self.values = values

    def __call__(self, window: Tensor, margin: bool, place: Place) -> tuple[Tensor, Tensor]:
        """Give queries and keys, (images, rows, W, 2 dim), and their squares' sums over pixels."""
        values = self.values[place]
        if self.library is not None:
            given = window, self.taps, self.shift, margin, values.shape[-1], values
            return operators.attend(self.library, *given)
        dim = values.shape[-1]
        wide = self.convolve(window, margin)
        values.copy_(wide[..., 2 * dim : 3 * dim])
        both = wide[..., : 2 * dim]
        return both, squares_of(both.flatten(1, 2))


class Masked(StripConvolution[None]):
    """The sigmoid of the convolved map, which goes where it is kept.

    Args:
        weight: See ``StripConvolution``; the map is at least ``dim`` wide.
        bias: The same.
        mask: (B, H, W, dim), contiguous, written to.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, mask: Tensor) -> None:
        super().__init__(weight, bias, whole=mask.shape[-1])
        self.mask = mask

    def __call__(self, window: Tensor, margin: bool, place: Place) -> None:
        """Write the strip's answer into the mask."""
        out = self.mask[place]
        if self.library is None:
            torch.sigmoid(self.convolve(window, margin)[..., : out.shape[-1]], out=out)
        else:
            operators.mask(self.library, window, self.taps, self.shift, margin, out)


def normalized(
    pixels: Tensor, weight: Tensor, bias: Tensor | None, eps: float, dtype: torch.dtype
) -> Tensor | None:
    """Compute ``LayerNorm2d`` of pixels (..., C) by a kernel of ours; None where none does."""
    fits = pixels.dtype in operators.KINDS and dtype in operators.KINDS
    widens = pixels.dtype == torch.bfloat16 and dtype == torch.float32
    if not fits or widens or pixels.shape[-1] % LANES or weight.dtype != torch.float32:
        return None
    library = native() if pixels.device.type == 'cpu' else None
    if library is None:
        return None
    return operators.normalize(library, pixels.contiguous(), weight, bias, eps, dtype)
