"""Scores of restored images under a named protocol."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.evaluation.color_spaces import to_color_space
from irbox.evaluation.image_operations import center_crop, through_jpeg, to_bytes
from irbox.evaluation.protocols import Protocol, find_protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.ssim import ssim


@torch.no_grad()
def score(restored: Tensor, target: Tensor, protocol: str = 'aio') -> dict[str, Tensor]:
    """Compare restored images with the clean ones.

    Args:
        restored: (B, 3, H, W), RGB, 0 to 1; a protocol clips what lies outside, see ``Protocol``.
        target: Same shape.
        protocol: A name from ``PROTOCOLS``.

    Returns:
        ``psnr`` (decibels; infinite for equal images) and ``ssim``, each (B,), float64, on the
        images' device.

    Raises:
        ValueError: The protocol is unknown, the images are no floats, their shapes differ, are not
            (B, 3, H, W), or are too small for the protocol.

    Examples:
        >>> clean = torch.full((1, 3, 16, 16), 0.5)
        >>> {name: round(value.item(), 2) for name, value in score(clean + 0.1, clean).items()}
        {'psnr': 20.0, 'ssim': 0.98}
        >>> bool(score(clean + 0.6, clean, protocol='aio')['psnr'] > 6)  # 1.1 is clipped to 1
        True
    """
    rules = find_protocol(protocol)
    if restored.shape != target.shape or restored.ndim != 4 or restored.shape[1] != 3:
        raise ValueError(
            f'Scores need images of one shape (B, 3, H, W), got restored {tuple(restored.shape)} '
            f'and target {tuple(target.shape)}.'
        )
    for name, image in (('restored', restored), ('target', target)):
        if not image.is_floating_point():
            raise ValueError(
                f'Scores need images as floats in 0 to 1, got {name} as {image.dtype}. '
                'Divide 8-bit images by 255.'
            )
    if not len(restored):
        empty = restored.new_zeros(0, dtype=torch.float64)
        return {'psnr': empty, 'ssim': empty.clone()}
    restored = _prepare(restored, rules, rules.jpeg_quality)
    target = _prepare(target, rules, None)
    scores = {'psnr': psnr(restored, target, rules.psnr_per_channel)}
    if rules.pool_to is not None:
        factor = max(1, round(min(restored.shape[-2:]) / rules.pool_to))
        restored, target = _pool(restored, factor), _pool(target, factor)
    scores['ssim'] = ssim(restored, target, rules.window, rules.covariance, rules.columns)
    return scores


def _prepare(image: Tensor, rules: Protocol, jpeg_quality: int | None) -> Tensor:
    image = center_crop(image, rules.crop_multiple).double()
    if rules.clip:
        image = image.clamp(0, 1)
    if rules.eight_bit or jpeg_quality is not None:
        pixels = to_bytes(image)
        if jpeg_quality is not None:
            pixels = through_jpeg(pixels, jpeg_quality)
        # Bytes know no NaN: a network that failed would be scored as if it had painted black.
        image = torch.where(image.isnan(), image, pixels.double() / 255)
    if rules.border:
        image = _without_border(image, rules.border)
    return to_color_space(image, rules.color_space)


def _without_border(image: Tensor, border: int) -> Tensor:
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise ValueError(
            f'This protocol cuts off {border} pixels at each side and cannot score '
            f'{height}x{width}.'
        )
    return image[..., border : height - border, border : width - border]


def _pool(image: Tensor, factor: int) -> Tensor:
    """Average over squares; where the factor does not divide a side, some overlap by a pixel."""
    if factor == 1:
        return image
    height, width = image.shape[-2:]
    return F.adaptive_avg_pool2d(image, (height // factor, width // factor))
