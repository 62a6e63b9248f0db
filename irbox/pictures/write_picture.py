"""Writing a restored picture with all that belonged to it."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from irbox.pictures.encode import encode
from irbox.pictures.formats import check_suffix, output_format
from irbox.pictures.picture import Picture
from irbox.pictures.prepare_metadata import STRIPS, prepare_metadata
from irbox.pictures.values import finish, to_depth
from irbox.utils.files import atomic_write

_DEPTHS = {'PNG': (np.uint8, np.uint16), 'TIFF': (np.uint8, np.uint16, np.float32)}
_DEPTHS['PPM'] = _DEPTHS['PNG']
_NAMES = {'uint8': '8-bit', 'uint16': '16-bit', 'float32': 'float'}
_WITHOUT_ALPHA = ('JPEG', 'PPM')
_LONGEST_SIDE = {'JPEG': 65500, 'WEBP': 16383, 'GIF': 65535, 'AVIF': 65535}
"""What the formats hold, or (JPEG) libjpeg writes."""


def write_picture(
    picture: Picture,
    restored: np.ndarray,
    target: Path | str | BinaryIO,
    *,
    format: str = 'keep',
    quality: int | None = None,
    strip: Collection[str] = (),
    alpha: np.ndarray | None = None,
    record: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write restored values as a file of the picture's own kind, whole or not at all.

    Args:
        picture: What was restored, as ``read_picture`` gave it.
        restored: (H, W, 3), float of range 0 to 1, uint8 or uint16, upright.
        target: Path, which is replaced if it exists, or binary file object.
        format: ``'keep'``, ``'png'``, ``'jpg'``, ``'webp'`` or ``'tiff'``.
        quality: 1 to 100 for lossy formats; None keeps the quantization of a JPEG file.
        strip: ``'gps'`` leaves the position out; ``'all'`` everything but the color profile and
            the resolution.
        alpha: (H, W), in the place of the picture's own.
        record: How the picture was made, for its XMP; ``read_record`` reads it back.

    Returns:
        What was converted or could not be kept in writing, a sentence each.

    Raises:
        ValueError: The shapes differ, a value is not finite, an option is unknown, the file name
            promises another format, or the format cannot hold the alpha.

    Example:
        >>> from irbox.pictures import read_picture
        >>> file = io.BytesIO()
        >>> Image.new('RGB', (6, 4), 'white').save(file, 'PNG')
        >>> picture = read_picture(file.getvalue())
        >>> answer = io.BytesIO()
        >>> write_picture(picture, picture.pixels // 2, answer)
        []
        >>> read_picture(answer.getvalue()).pixels[0, 0].tolist()
        [127, 127, 127]
    """
    notes: list[str] = []
    written = output_format(picture.format, format)
    _check_sides(picture, written)
    _check(picture, quality, strip, alpha)
    if not hasattr(target, 'write'):
        check_suffix(Path(target), written)
    dtype = np.dtype(_depth(picture, written, notes))
    plane = _alpha(picture, alpha, written, dtype, notes)
    values = finish(picture, restored, dtype, gray=picture.gray)
    metadata = prepare_metadata(
        picture, written, strip, record, thumbnail=_Thumbnail(values), notes=notes
    )
    arguments = (written, values, plane, picture, metadata, quality, notes)
    if isinstance(target, str | Path):
        with atomic_write(target) as file:
            encode(cast(BinaryIO, file), *arguments)
    else:
        # Encoders seek, which a pipe cannot.
        buffer = io.BytesIO()
        encode(buffer, *arguments)
        target.write(buffer.getbuffer())
    return notes


def check_format(picture: Picture, format: str = 'keep') -> None:
    """Refuse a format that cannot hold a picture, before any time is spent on it.

    Args:
        picture: Its size and its own alpha are looked at.
        format: As for ``write_picture``.

    Raises:
        ValueError: A side is too long, or there are transparent pixels and no place for them.
    """
    written = output_format(picture.format, format)
    _check_sides(picture, written)
    if picture.alpha is not None and written in _WITHOUT_ALPHA:
        _refuse_transparency(picture, picture.alpha, written)


def _check_sides(picture: Picture, written: str) -> None:
    width, height = picture.size
    longest = _LONGEST_SIDE.get(written)
    if longest is not None and max(width, height) > longest:
        raise ValueError(
            f'Picture {picture.name} has {width}x{height} pixels, and {written} holds at most '
            f'{longest} on a side. Take --format png or tiff.'
        )


def _refuse_transparency(picture: Picture, plane: np.ndarray, written: str) -> None:
    opaque = 1 if plane.dtype.kind == 'f' else np.iinfo(plane.dtype).max
    if plane.min() < opaque:
        raise ValueError(
            f'Picture {picture.name} has transparent pixels, which {written} cannot hold. '
            'Take --format png, webp or tiff.'
        )


class _Thumbnail:
    """Make a JPEG file of at most so many bytes of the finished values."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __call__(self, limit: int) -> bytes | None:
        values = to_depth(self._values[:: self._step(), :: self._step()], np.uint8)
        image = Image.fromarray(np.ascontiguousarray(values))
        image.thumbnail((160, 160))
        for quality in (85, 70, 50, 30):
            buffer = io.BytesIO()
            image.save(buffer, 'JPEG', quality=quality)
            if buffer.tell() <= limit:
                return buffer.getvalue()
        return None

    def _step(self) -> int:
        # Enough pixels for a smooth picture of 160, without a copy of them all.
        height, width = self._values.shape[:2]
        return max(1, int(max(height, width)) // 640)


def _check(
    picture: Picture, quality: int | None, strip: Collection[str], alpha: np.ndarray | None
) -> None:
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f'quality={quality} is out of range. Give 1 to 100.')
    unknown = [one for one in ([strip] if isinstance(strip, str) else strip) if one not in STRIPS]
    if isinstance(strip, str) or unknown:
        raise ValueError(f'strip={strip!r} is unknown. Give a tuple of: {", ".join(STRIPS)}.')
    if alpha is not None and alpha.shape != picture.pixels.shape[:2]:
        raise ValueError(
            f'Picture {picture.name} is {picture.pixels.shape[:2]}, and the alpha {alpha.shape}. '
            'Give one value per pixel: (H, W).'
        )


def _depth(picture: Picture, written: str, notes: list[str]) -> type:
    own, held = picture.pixels.dtype.type, _DEPTHS.get(written, (np.uint8,))
    if own in held:
        return own
    notes.append(
        f'{_NAMES[picture.pixels.dtype.name]} values were rounded to '
        f'{_NAMES[np.dtype(held[-1]).name]}, all that {written} holds here.'
    )
    return held[-1]


def _alpha(
    picture: Picture,
    alpha: np.ndarray | None,
    written: str,
    dtype: np.dtype,
    notes: list[str],
) -> np.ndarray | None:
    plane = picture.alpha if alpha is None else alpha
    if plane is None:
        return None
    plane = to_depth(plane, dtype)
    if written not in _WITHOUT_ALPHA:
        return plane
    _refuse_transparency(picture, plane, written)
    notes.append(f'An alpha without transparency was left out: {written} has none.')
    return None
