"""Scores of restored images under a named protocol."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.evaluation.protocols import Protocol, find_protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.ssim import ssim


@torch.no_grad()
def score(restored: Tensor, target: Tensor, protocol: str = 'aio') -> dict[str, Tensor]:
    """Compare restored images with the clean ones.

    Args:
        restored: (B, 3, H, W), RGB; values outside 0..1 are clipped.
        target: Same shape.
        protocol: A name from ``PROTOCOLS``.

    Returns:
        ``psnr`` (decibels; infinite for equal images) and ``ssim``, each (B,), float64, on the
        images' device.

    Raises:
        ValueError: The protocol is unknown, the shapes differ, are not (B, 3, H, W), or are too
            small for the protocol.
    """
    rules = find_protocol(protocol)
    if restored.shape != target.shape or restored.ndim != 4 or restored.shape[1] != 3:
        raise ValueError(
            f'Scores need images of one shape (B, 3, H, W), got restored {tuple(restored.shape)} '
            f'and target {tuple(target.shape)}.'
        )
    restored, target = _prepare(restored, rules), _prepare(target, rules)
    return {'psnr': psnr(restored, target), 'ssim': ssim(restored, target, rules.window)}


def _prepare(image: Tensor, rules: Protocol) -> Tensor:
    height, width = image.shape[-2:]
    multiple = rules.crop_multiple
    if min(height, width) < multiple:
        raise ValueError(
            f'This protocol cuts images to multiples of {multiple} and cannot score '
            f'{height}x{width}.'
        )
    # r rows too many: r // 2 go at the top, the rest at the bottom; columns alike.
    top, left = height % multiple // 2, width % multiple // 2
    image = image[..., top : top + height // multiple * multiple, :]
    image = image[..., left : left + width // multiple * multiple].double().clamp(0, 1)
    return (image * 255).round() / 255 if rules.eight_bit else image
