"""Encoding to the formats that need no file of their own: WebP, AVIF, HEIF, JXL, GIF, BMP, PPM."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from irbox.pictures import jpeg, png, tiff
from irbox.pictures.exif import MARK as EXIF_MARK
from irbox.pictures.picture import Metadata, Picture

LOSSY_QUALITY = 90
"""Of lossy WebP, AVIF, HEIF and JXL, whose files do not tell their own."""

_LOSSLESS: dict[str, dict[str, Any]] = {
    'JXL': {'lossless': True},
    'HEIF': {'quality': -1, 'chroma': 444, 'matrix_coefficients': 0},
    # Pillow has nothing that is quite lossless.
    'AVIF': {'quality': 100, 'subsampling': '4:4:4'},
}


def encode(
    file: BinaryIO,
    written: str,
    values: np.ndarray,
    alpha: np.ndarray | None,
    picture: Picture,
    metadata: Metadata,
    quality: int | None,
    notes: list[str],
) -> None:
    """Write a picture's finished values.

    Args:
        file: Where to.
        written: Format, by Pillow's name.
        values: (H, W) grey or (H, W, 3), of a depth that the format holds.
        alpha: (H, W) of the same dtype, or None.
        picture: Tells how the file was encoded, where it is of the same format.
        metadata: What to write beside the pixels.
        quality: 1 to 100 for lossy formats, or None.
        notes: Gets a sentence for what cannot be kept.
    """
    encoding = picture.encoding if picture.format == written else {}
    if written == 'PNG':
        png.write_png(file, values, alpha, metadata)
    elif written == 'TIFF':
        tiff.write_tiff(file, values, alpha, encoding, metadata, notes)
    elif written == 'JPEG':
        image = Image.fromarray(values)
        jpeg.write_jpeg(file, image, encoding, metadata, quality, notes)
    elif written == 'PPM':
        _write_ppm(file, values)
    elif written == 'BMP':
        _write_bmp(file, values, alpha, metadata)
    elif written == 'GIF':
        _write_gif(file, values, alpha, metadata, notes)
    else:
        options = _modern_options(written, encoding, metadata, quality, notes)
        _image(values, alpha).save(file, written, **options)


def _image(values: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    return Image.fromarray(values if alpha is None else np.dstack([values, alpha]))


def _modern_options(
    written: str,
    encoding: dict[str, Any],
    metadata: Metadata,
    quality: int | None,
    notes: list[str],
) -> dict[str, Any]:
    options: dict[str, Any] = {'quality': LOSSY_QUALITY if quality is None else quality}
    if written == 'WEBP':
        # `exact` keeps the colors of transparent pixels.
        options['exact'] = True
        if encoding.get('lossless', not encoding) and quality is None:
            options |= {'lossless': True, 'quality': 80}
    elif (encoding.get('lossless') and quality is None) or (written, quality) == ('JXL', 100):
        options |= _LOSSLESS[written]
        if written == 'AVIF':
            notes.append(
                'A lossless AVIF was written at quality 100, which is nearly lossless: take '
                '--format png to keep every value.'
            )
    if metadata.exif is not None:
        options['exif'] = EXIF_MARK + metadata.exif
    if metadata.xmp is not None:
        options['xmp'] = metadata.xmp
    if metadata.icc is not None:
        options['icc_profile'] = metadata.icc
    return options


def _write_ppm(file: BinaryIO, values: np.ndarray) -> None:
    """Write PGM or PPM: a header of text, and values of one or two bytes."""
    height, width = values.shape[:2]
    kind = 5 if values.ndim == 2 else 6
    largest, stored = (255, 'u1') if values.dtype == np.uint8 else (65535, '>u2')
    file.write(f'P{kind}\n{width} {height}\n{largest}\n'.encode())
    file.write(values.astype(stored).tobytes())


def _write_bmp(
    file: BinaryIO, values: np.ndarray, alpha: np.ndarray | None, metadata: Metadata
) -> None:
    if alpha is None:
        options = {} if metadata.dpi is None else {'dpi': metadata.dpi}
        _image(values, alpha).save(file, 'BMP', **options)
        return
    import cv2

    # Pillow writes 32 bits without saying that the last 8 are alpha.
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    _, encoded = cv2.imencode('.bmp', np.dstack([values[..., ::-1], alpha]))
    content = bytearray(encoded.tobytes())
    if metadata.dpi is not None:
        struct.pack_into('<ii', content, 38, *(round(one / 0.0254) for one in metadata.dpi))
    file.write(content)


def _write_gif(
    file: BinaryIO,
    values: np.ndarray,
    alpha: np.ndarray | None,
    metadata: Metadata,
    notes: list[str],
) -> None:
    options: dict[str, Any] = {} if metadata.comment is None else {'comment': metadata.comment}
    image = Image.fromarray(values)
    if image.mode == 'RGB':
        notes.append('GIF holds 256 colors: the restored ones were reduced; use --format png.')
        image = image.quantize(255)
    if alpha is not None:
        indices = np.asarray(image).copy()
        if image.mode == 'L':
            image = Image.fromarray(values).quantize(255)
            indices = np.asarray(image).copy()
        indices[alpha < 128] = 255
        palette = (image.getpalette() or [])[: 255 * 3]
        image = Image.fromarray(indices, 'P')
        image.putpalette(palette + [0] * (768 - len(palette)))
        options['transparency'] = 255
    image.save(file, 'GIF', **options)
