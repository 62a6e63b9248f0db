"""What is done to a degraded and its clean image alike; arrays are (H, W, 3) uint8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from irbox.utils.bounded import PositiveInt

Pair = tuple[np.ndarray, np.ndarray]

SizePolicy = Literal['error', 'center_crop_to_min', 'resize_clean_to_input']
SmallPolicy = Literal['reflect_pad', 'resize_up', 'skip']
Augmentation = Literal['none', 'flips', 'dihedral', 'dihedral_moved']


class ToMultiple(TypedDict):
    """What ``to_multiple`` takes beside the images."""

    multiple: PositiveInt
    policy: Literal['center_crop', 'reflect_pad', 'resize_up']
    longest_side: NotRequired[PositiveInt | None]


AUGMENTATIONS: Mapping[Augmentation, tuple[int, ...]] = {
    'none': (0,),
    'flips': (0, 2, 4, 6),
    'dihedral': tuple(range(8)),
    'dihedral_moved': tuple(range(1, 8)),
}
"""Modes of ``dihedral`` to choose from; flips are left-right, upside down, both or none."""


def dihedral(image: np.ndarray, mode: int) -> np.ndarray:
    """Apply one of the eight flips and quarter turns to an image or a map.

    Args:
        image: (H, W) or (H, W, C).
        mode: 0 to 7: ``mode % 4`` quarter turns, after a left-right flip from 4 on; 0 changes
            nothing.
    """
    if mode >= 4:
        image = image[:, ::-1]
    return np.rot90(image, mode % 4)


def match_sizes(degraded: np.ndarray, clean: np.ndarray, policy: str, name: str) -> Pair:
    """Bring two images of different sizes to one.

    Args:
        degraded: The input.
        clean: Its target.
        policy: ``error``, ``center_crop_to_min`` (both to the smaller height and width) or
            ``resize_clean_to_input`` (bicubic).
        name: For the message.

    Raises:
        ValueError: The sizes differ and the policy is ``error``.
    """
    if degraded.shape == clean.shape:
        return degraded, clean
    if policy == 'error':
        raise ValueError(
            f'{name}: the degraded image is {_size(degraded)}, the clean one {_size(clean)}. Set '
            f'size_policy to {" or ".join(get_args(SizePolicy)[1:])} if that is expected.'
        )
    if policy == 'resize_clean_to_input':
        height, width = degraded.shape[:2]
        return degraded, _resize(clean, height, width, Image.Resampling.BICUBIC)
    height = min(degraded.shape[0], clean.shape[0])
    width = min(degraded.shape[1], clean.shape[1])
    return center_crop(degraded, height, width), center_crop(clean, height, width)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bring an image to width and height, bicubic; one that has them is left as it is."""
    width, height = size
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def enlarge(pair: Pair, least: int, policy: str) -> Pair:
    """Bring images that are smaller than a patch to its size.

    Args:
        pair: Two images of one size.
        least: Height and width that are needed.
        policy: ``reflect_pad`` (right and below) or ``resize_up`` (the short dimensions only,
            Lanczos, as TransWeather does).
    """
    height, width = pair[0].shape[:2]
    wanted = max(height, least), max(width, least)
    return _grow(pair, wanted, policy)


def to_multiple(pair: Pair, multiple: int, policy: str, longest_side: int | None = None) -> Pair:
    """Bring height and width to multiples of a number.

    Args:
        pair: Two images of one size.
        multiple: Such as 16.
        policy: ``center_crop`` (of r rows too many, r // 2 go at the top, as in PromptIR and its
            successors), ``reflect_pad`` (right and below) or ``resize_up`` (Lanczos, as
            TransWeather's test does).
        longest_side: With ``resize_up``: images with a longer side are scaled down to it first, in
            the same step. TransWeather and WeatherDiffusion test with 1024.

    Raises:
        ValueError: Cropping leaves nothing.
    """
    height, width = pair[0].shape[:2]
    if policy == 'resize_up' and longest_side is not None and max(height, width) > longest_side:
        scale = longest_side / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    if policy != 'center_crop':
        return _grow(
            pair, (-(-height // multiple) * multiple, -(-width // multiple) * multiple), policy
        )
    wanted = height - height % multiple, width - width % multiple
    if 0 in wanted:
        raise ValueError(
            f'An image of {width}x{height} cannot be cropped to a multiple of {multiple}. '
            "Use 'reflect_pad' or 'resize_up'."
        )
    degraded, clean = pair
    return center_crop(degraded, *wanted), center_crop(clean, *wanted)


def random_crop(pair: Pair, size: int, rng: np.random.Generator) -> Pair:
    """Cut the same random square of both images."""
    height, width = pair[0].shape[:2]
    top, left = _corner(height, width, size, rng)
    part = slice(top, top + size), slice(left, left + size)
    return pair[0][part], pair[1][part]


def random_crop_of_images(
    image: Image.Image, target: Image.Image, size: int, rng: np.random.Generator
) -> Pair:
    """Do what ``random_crop`` does to the arrays of two images of one size, at less cost.

    Turning a whole image into an array takes a fifth of the time of decoding it, and most of it is
    not in the crop.
    """
    top, left = _corner(image.height, image.width, size, rng)
    box = (left, top, left + size, top + size)
    cropped = np.asarray(image.crop(box))
    return cropped, cropped if target is image else np.asarray(target.crop(box))


def center_crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut out the middle; of an odd number of spare rows the smaller half goes at the top."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def reflected(image: np.ndarray, margin: int) -> np.ndarray:
    """Add a mirrored margin to an image, or to a map of one value for each pixel."""
    pad = ((margin, margin), (margin, margin), (0, 0))[: image.ndim]
    return np.pad(image, pad, mode='reflect')


def to_tensor(image: np.ndarray) -> Tensor:
    """Turn (H, W, 3) uint8 or float32 into (3, H, W) float32 in 0 to 1 with memory of its own."""
    pixels = image.transpose(2, 0, 1).astype(np.float32, order='C')
    return torch.from_numpy(pixels / np.float32(255) if image.dtype == np.uint8 else pixels)


def _corner(height: int, width: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))


def _grow(pair: Pair, wanted: tuple[int, int], policy: str) -> Pair:
    degraded, clean = pair
    height, width = degraded.shape[:2]
    if wanted == (height, width):
        return pair
    if policy == 'resize_up':
        method = Image.Resampling.LANCZOS
        return _resize(degraded, *wanted, method), _resize(clean, *wanted, method)
    pad = ((0, wanted[0] - height), (0, wanted[1] - width), (0, 0))[: degraded.ndim]
    return np.pad(degraded, pad, mode='reflect'), np.pad(clean, pad, mode='reflect')


def _resize(image: np.ndarray, height: int, width: int, method: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), method))


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
