"""Images of every kind, seen as one array; and back, to the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FLOATS = (np.float16, np.float32, np.float64)
HIGHEST = 16.0
"""Floats above are values in 0 to 255 by mistake; wide colors and highlights lie below."""
CONVERTED = {'1': 'L', 'P': 'RGB', 'PA': 'RGBA', 'CMYK': 'RGB', 'YCbCr': 'RGB', 'LAB': 'RGB'}
CONVERTED |= {'HSV': 'RGB', 'RGBX': 'RGB', 'RGBa': 'RGBA', 'La': 'LA'}
LUMA = (0.299, 0.587, 0.114)
"""Rec. 601, which Pillow converts to grey by."""


@dataclass
class Pixels:
    """An image's values, and how to give an answer of its kind."""

    values: np.ndarray
    """(H, W, C) of uint8, uint16 or floats; C is 1 to 4: grey or RGB, and alpha."""
    close: Callable[[np.ndarray], Any]
    """From values (H, W, C) to the kind of image that was given."""
    notes: list[str] = field(default_factory=list)
    apart: np.ndarray | None = None
    """The alpha (H, W), where it is not among the values."""

    @property
    def size(self) -> tuple[int, int]:
        """Give height and width."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def white(self) -> float:
        """Give what 1 is in the values."""
        integer = np.issubdtype(self.values.dtype, np.integer)
        return float(np.iinfo(self.values.dtype).max) if integer else 1.0

    @property
    def alpha(self) -> np.ndarray | None:
        """Give the opacity (H, W), or None."""
        return self.values[..., -1] if self.values.shape[2] in (2, 4) else self.apart

    def colors(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Give a part as (3, h, w) float32 where 1 is white; greys are repeated. Not clipped."""
        depth = 1 if self.values.shape[2] <= 2 else 3
        part = self.values[rows, columns, :depth].astype(np.float32)
        if self.white != 1:
            part /= self.white
        return torch.from_numpy(part).permute(2, 0, 1).expand(3, -1, -1)

    def put(self, out: np.ndarray, top: int, colors: Tensor, kept: np.ndarray) -> None:
        """Write rows of an answer into ``out``, which is like ``values``.

        Args:
            out: Where to.
            top: The first row.
            colors: (3, h, W); what lies outside white and black is clipped.
            kept: (h, W), pixels that stay what they are in ``values``. The alpha always does.
        """
        rows = slice(top, top + colors.shape[1])
        if self.values.shape[2] <= 2:
            colors = sum(part * one for part, one in zip(LUMA, colors, strict=True))[None]
        part = colors.permute(1, 2, 0).numpy().clip(0, 1) * self.white
        if self.white != 1:
            part = np.rint(part)
        depth = part.shape[2]
        out[rows, :, :depth] = np.where(kept[..., None], self.values[rows, :, :depth], part)
        if depth < out.shape[2]:
            out[rows, :, -1] = self.values[rows, :, -1]


def open_image(image: Any) -> Pixels:
    """See one image as an array.

    Args:
        image: A PIL image; a numpy array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16
            or floats in 0 to 1; or a tensor (1, H, W), (3, H, W) or (4, H, W) of the same.

    Raises:
        TypeError: It is no image.
        ValueError: Its shape, type or values are not an image's.

    Example:
        >>> pixels = open_image(np.zeros((4, 6), np.uint8))
        >>> pixels.size, pixels.white, pixels.colors().shape
        ((4, 6), 255.0, torch.Size([3, 4, 6]))
    """
    if isinstance(image, Image.Image):
        return _open_pil(image)
    if isinstance(image, Tensor):
        return _open_tensor(image)
    if isinstance(image, np.ndarray):
        shape = image.shape
        values = image[..., None] if image.ndim == 2 else image
        return _checked(Pixels(values, lambda out: out.reshape(shape)), 'array', shape)
    raise TypeError(
        f'A {type(image).__name__} is no image. Give a path, a PIL image, a numpy array or a '
        'tensor, or a list of them.'
    )


def open_picture(picture: Any) -> Pixels:
    """See a picture that ``read_picture`` gave as an array; the answer is the array of its values.

    Raises:
        ValueError: Its values are not an image's.
    """
    pixels = Pixels(picture.pixels, lambda out: out, list(picture.notes), picture.alpha)
    return _checked(pixels, 'picture', picture.pixels.shape)


def _open_pil(image: Image.Image) -> Pixels:
    notes, info = [], dict(image.info)
    if image.mode in ('CMYK', 'LAB'):
        # It is of those numbers, not of the converted ones.
        info.pop('icc_profile', None)
    mode = CONVERTED.get(image.mode, image.mode)
    if image.mode == 'P' and 'transparency' in info:
        mode = 'RGBA'
    if mode != image.mode:
        notes.append(f'converted from {image.mode} to {mode}')
        image = image.convert(mode)
    if mode not in ('L', 'LA', 'RGB', 'RGBA', 'I;16'):
        raise ValueError(
            f'A PIL image of mode {mode} has no white that is known. Give numpy.asarray(image), '
            'scaled to floats in 0 to 1 or to uint16.'
        )
    values = np.asarray(image)

    def close(out: np.ndarray) -> Image.Image:
        answer = Image.fromarray(np.ascontiguousarray(out[..., 0] if out.shape[2] == 1 else out))
        answer.info = dict(info)
        return answer

    values = values[..., None] if values.ndim == 2 else values
    return _checked(Pixels(values, close, notes), 'PIL image', values.shape)


def _open_tensor(image: Tensor) -> Pixels:
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise ValueError(f'A tensor must be (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}.')
    dtype, device = image.dtype, image.device
    plain = image.detach().to('cpu', torch.float32 if dtype == torch.bfloat16 else dtype)

    def close(out: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(out.transpose(2, 0, 1))).to(device, dtype)

    values = plain.permute(1, 2, 0).numpy()
    return _checked(Pixels(values, close), 'tensor', tuple(image.shape))


def _checked(pixels: Pixels, kind: str, shape: tuple[int, ...]) -> Pixels:
    values = pixels.values
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4) or 0 in values.shape:
        raise ValueError(
            f'This {kind} of shape {tuple(shape)} is no image. Arrays are (H, W), (H, W, 1), '
            '(H, W, 3) or (H, W, 4), tensors (3, H, W) or (B, 3, H, W).'
        )
    if values.dtype not in (np.uint8, np.uint16, *FLOATS):
        raise ValueError(
            f'This {kind} holds {values.dtype}. Give uint8, uint16 or floats in 0 to 1.'
        )
    if values.dtype in FLOATS:
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(f'This {kind} holds values that are not finite. Replace them.')
        if max(-low, high) > HIGHEST:
            raise ValueError(
                f'This {kind} of floats reaches from {low:g} to {high:g}. Floats must lie in 0 to '
                '1: divide by 255, or give uint8.'
            )
    return pixels
