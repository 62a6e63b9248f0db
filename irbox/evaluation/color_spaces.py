"""What is compared: colours, luma, or what M2Restore's public evaluator takes for luma."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

ColorSpace = Literal['rgb', 'y601', 'y601_rounded', 'y601_swapped', 'legacy']
# Luma of BT.601 in studio range, Y = 16 + 65.481 R + 128.553 G + 24.966 B, on the scale of 0..255.
STUDIO_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
STUDIO_OFFSET = 16 / 255
# Luma of BT.601 in full range, for blue, green and red.
FULL_LUMA_BGR = (0.114, 0.587, 0.299)


def to_color_space(image: Tensor, color_space: ColorSpace) -> Tensor:
    """Take from RGB images what a protocol compares.

    Args:
        image: (B, 3, H, W), RGB, 0 to 1.
        color_space: ``rgb``: the image as it is. ``y601``: luma of BT.601 in studio range, not
            rounded; black is 16/255, white 235/255, so that grey errors are 20 log10(255 / 219) =
            1.32 dB smaller than in RGB. ``y601_rounded``: the same, rounded to whole levels, as
            MATLAB's ``rgb2ycbcr`` gives it of 8-bit images. ``y601_swapped``: the same weights with
            red and blue exchanged, as Histoformer's evaluator reads files. ``legacy``: what the
            evaluator of M2Restore's public code computes. It *views* the memory of (3, H, W) as (H,
            W, 3), where it meant to transpose, and takes full-range luma of each "BGR pixel". So
            each value is a weighted mean, by 0.114, 0.587 and 0.299, of three neighbours in a row
            of one colour plane; the upper third of the result is red, the middle third green, the
            lower blue.

    Returns:
        (B, 3, H, W) for ``rgb``, else (B, 1, H, W).

    Raises:
        ValueError: The color space is unknown.
    """
    if color_space == 'rgb':
        return image
    if color_space.startswith('y601'):
        red, green, blue = image.unbind(1)
        if color_space == 'y601_swapped':
            red, blue = blue, red
        weighted = red * STUDIO_LUMA[0] + green * STUDIO_LUMA[1] + blue * STUDIO_LUMA[2]
        luma = (weighted + STUDIO_OFFSET)[:, None]
        return (luma * 255 + 0.5).floor() / 255 if color_space == 'y601_rounded' else luma
    if color_space == 'legacy':
        batch, _, height, width = image.shape
        viewed = image.contiguous().view(batch, height, width, 3)
        return torch.mv(viewed.flatten(0, 2), viewed.new_tensor(FULL_LUMA_BGR)).view(
            batch, 1, height, width
        )
    known = ', '.join(map(repr, get_args(ColorSpace)))
    raise ValueError(f'color_space={color_space!r} is unknown. Choose one of {known}.')
