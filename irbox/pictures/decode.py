"""Decoding to arrays, at the depth of the file."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from irbox.pictures.decode_deep import decode_deep
from irbox.pictures.open_source import Opened

_WORDS = {'P': 'palette', 'PA': 'palette', 'CMYK': 'CMYK', 'LAB': 'Lab', '1': 'black and white'}


class Decoded(NamedTuple):
    """Hold decoded values as stored in the file: (H, W) grey or (H, W, 3), and (H, W) alpha."""

    values: np.ndarray
    alpha: np.ndarray | None
    keeps_profile: bool = True


def decode(opened: Opened, notes: list[str]) -> Decoded:
    """Decode the first frame of an opened picture.

    Args:
        opened: What ``open_source`` gave.
        notes: Gets a sentence for each conversion.

    Returns:
        Values and alpha, uint8, uint16 or float32.

    Raises:
        ValueError: The file is damaged, or of a kind of values that is not read.
    """
    if opened.data is not None:
        deep = decode_deep(opened.data, opened.image, notes)
        if deep is not None:
            return Decoded(*deep)
        _note_depth(opened.data, opened.image.format, notes)
    image = opened.image
    profile = image.info.get('icc_profile')
    keeps_profile = True
    if image.mode in ('CMYK', 'LAB'):
        keeps_profile = False
        image = _to_srgb(image, profile, notes)
    elif image.mode == '1':
        notes.append('Black and white (1 bit) was converted to 8-bit grey.')
        image = image.convert('L')
    elif image.mode in ('P', 'PA'):
        with_alpha = image.mode == 'PA' or 'transparency' in image.info
        notes.append('A palette was converted to full color (RGB).')
        image = image.convert('RGBA' if with_alpha else 'RGB')
    elif 'transparency' in image.info and image.mode in ('L', 'RGB'):
        image = image.convert('LA' if image.mode == 'L' else 'RGBA')
    elif image.mode in ('La', 'RGBa'):
        image = image.convert(image.mode.upper())
    elif image.mode in ('RGBX', 'YCbCr', 'HSV'):
        image = image.convert('RGB')
    return Decoded(*_split(image), keeps_profile)


def _note_depth(data: bytes, kind: str | None, notes: list[str]) -> None:
    """Say so where a decoder gives 8 bits of more: AVIF and HEIF tell in their ``pixi`` box."""
    place = data.find(b'pixi', 0, 1 << 16)
    if kind in ('AVIF', 'HEIF') and 0 < place < len(data) - 9 and data[place + 9] > 8:
        notes.append(f'Values of {data[place + 9]} bits were read as 8 bits.')


def _split(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    mode = image.mode
    if mode in ('L', 'RGB'):
        return np.asarray(image), None
    if mode in ('LA', 'RGBA'):
        values = np.asarray(image)
        colors = values[..., 0] if mode == 'LA' else values[..., :3]
        return np.ascontiguousarray(colors), np.ascontiguousarray(values[..., -1])
    if mode.startswith('I;16'):
        return np.asarray(image).astype(np.uint16), None
    if mode == 'F':
        return np.asarray(image, dtype=np.float32), None
    if mode == 'I':
        values = np.asarray(image)
        if values.min() >= 0 and values.max() <= 65535:
            return values.astype(np.uint16), None
    raise ValueError(
        f'its values (mode {mode}) are of a kind that irbox does not read; save it with 8 or 16 '
        'bits per value, RGB or grey'
    )


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """Convert CMYK or Lab to sRGB, by the picture's profile where that can be read."""
    word, target = _WORDS[image.mode], ImageCms.createProfile('sRGB')
    try:
        if image.mode == 'LAB':
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB'))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b''))
        converted = ImageCms.profileToProfile(image, source, target, outputMode='RGB')
    except (ImageCms.PyCMSError, OSError):
        notes.append(f'{word} was converted to sRGB without a profile: colors are approximate.')
        return image.convert('RGB')
    notes.append(f'{word} was converted to sRGB.')
    assert converted is not None
    return converted
