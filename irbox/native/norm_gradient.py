"""The kernel of a norm's gradient as a function of tensors."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.operators import KINDS, _at, _check, _threads


def normalize_gradient(
    library: ctypes.CDLL,
    pixels: Tensor,
    weight: Tensor,
    centred: bool,
    eps: float,
    of_answer: Tensor,
    of_pixels: Tensor,
    base: Tensor | None = None,
) -> Tensor:
    """Differentiate ``LayerNorm2d`` of pixels.

    Args:
        library: See ``native``.
        pixels: (..., C), contiguous, C a multiple of 16; float32.
        weight: (C,), float32.
        centred: Whether the mean is subtracted, as norms with a bias do.
        eps: Added to the variance.
        of_answer: The answer's gradient, as ``pixels``; float32 or bfloat16.
        of_pixels: What the pixels' gradient is added to, as ``pixels``.
        base: As ``pixels``, where it is to be written instead, added to this.

    Returns:
        The gradients of the weight and of a bias, (2, C), float32.
    """
    channels = pixels.shape[-1]
    _check(pixels, weight, whole=channels)
    base = of_pixels if base is None else base
    for one in (of_answer, of_pixels, base):
        assert one.is_contiguous() and one.shape == pixels.shape
    assert pixels.dtype == of_pixels.dtype == base.dtype == torch.float32
    of_both = weight.new_empty(2, channels)
    getattr(library, f'normalize_gradient_{KINDS[of_answer.dtype]}')(
        _at(pixels), pixels.numel() // channels, channels, _at(weight), int(centred), eps,
        _at(of_answer), _at(base), _at(of_pixels), _at(of_both), _threads(),
    )  # fmt: skip
    return of_both
