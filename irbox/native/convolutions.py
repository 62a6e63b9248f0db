"""3x3 convolutions of all channels with all, by the kernels."""

from __future__ import annotations

import ctypes
from typing import Literal

import torch
from torch import Tensor

from irbox.native.library import LANES

Arrangement = Literal['as it is', 'shuffled', 'unshuffled']
NUMBERS: dict[Arrangement, int] = {'as it is': 0, 'shuffled': 1, 'unshuffled': 2}


def convolve(
    library: ctypes.CDLL, pixels: Tensor, weight: Tensor, arrangement: Arrangement = 'as it is'
) -> Tensor:
    """Convolve a map with zeros around it, and rearrange what comes out.

    Args:
        library: See ``native``.
        pixels: (B, H, W, C), contiguous, float32, C a multiple of 16.
        weight: (N, C, 3, 3), float32, in channels-last memory, or it is copied.
        arrangement: ``'shuffled'``: four channels become four pixels, as in ``F.pixel_shuffle``
            by 2; N is a multiple of 64. ``'unshuffled'``: four pixels become one, as in
            ``F.pixel_unshuffle``; H and W are even. Else N is a multiple of 16.

    Returns:
        (B, H, W, N), (B, 2 H, 2 W, N / 4) or (B, H / 2, W / 2, 4 N).
    """
    batch, height, width, channels = pixels.shape
    made = len(weight)
    assert pixels.is_contiguous() and pixels.dtype == weight.dtype == torch.float32
    assert weight.shape[1:] == (channels, 3, 3) and not channels % LANES
    size = batch, height, width, made
    if arrangement == 'shuffled':
        size = batch, 2 * height, 2 * width, made // 4
        assert not made % (4 * LANES)
    elif arrangement == 'unshuffled':
        size = batch, height // 2, width // 2, 4 * made
        assert not height % 2 and not width % 2
    else:
        assert not made % LANES
    taps, answer = weight.detach().permute(0, 2, 3, 1).contiguous(), pixels.new_empty(size)
    library.convolve_float32(
        pixels.data_ptr(), batch, height, width, channels, taps.data_ptr(), made,
        NUMBERS[arrangement], answer.data_ptr(), torch.get_num_threads(),
    )  # fmt: skip
    return answer
