"""Decoding what Pillow would cut down to 8 bits: 16-bit PNG, TIFF and PPM, and float TIFF."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from irbox.pictures.open_image import largest_of_ppm
from irbox.pictures.png import START, read_chunks

MOST_CHANNELS = 16
"""Of a TIFF file: more would make it large in memory, however few pixels it has."""
_RGB, _WHITE_IS_ZERO, _BLACK_IS_ZERO = 2, 0, 1

Deep = tuple[np.ndarray, 'np.ndarray | None']


def decode_deep(data: bytes, image: Image.Image, notes: list[str]) -> Deep | None:
    """Decode a file of more than 8 bits per value.

    Args:
        data: The file.
        image: The same, opened.
        notes: Gets a sentence for each conversion.

    Returns:
        (H, W) or (H, W, 3) values and (H, W) alpha, uint16 or float32; None where Pillow decodes
        the file as well.

    Raises:
        ValueError: The file is damaged, or its values are of another kind.
    """
    if data.startswith(START):
        return _decode_png(data) if data[24] == 16 else None
    if image.format == 'TIFF':
        return _decode_tiff(data, notes)
    if image.format == 'PPM' and data[:2] in (b'P6', b'P5', b'P3', b'P2'):
        return _decode_ppm(data, image, notes)
    return None


def _decode_png(data: bytes) -> Deep:
    values, alpha = _with_opencv(data)
    if data[25] == 0 and values.dtype == np.uint16:
        # OpenCV heeds the transparent color of RGB alone.
        for kind, content in read_chunks(data):
            if kind == b'tRNS' and len(content) == 2:
                opaque = values != int.from_bytes(content, 'big')
                alpha = opaque.astype(np.uint16) * 65535
    return values, alpha


def _with_opencv(data: bytes) -> Deep:
    import cv2

    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ValueError('its pixels are damaged')
    if values.ndim == 2:
        return values, None
    colors = np.ascontiguousarray(values[..., 2::-1])
    if data[:8] == START and data[25] in (0, 4):
        # OpenCV repeats grey that has an alpha.
        colors = np.ascontiguousarray(values[..., 0])
    return colors, np.ascontiguousarray(values[..., 3]) if values.shape[2] == 4 else None


def _decode_ppm(data: bytes, image: Image.Image, notes: list[str]) -> Deep | None:
    largest = largest_of_ppm(image)
    if largest <= 255:
        return None
    values, _ = _with_opencv(data)
    if values.dtype == np.uint16 and largest < 65535:
        notes.append(f'Values up to {largest} were scaled to 16 bits (65535).')
        scaled = values.astype(np.uint32) * 65535 + largest // 2
        values = (scaled // largest).astype(np.uint16)
    return values, None


def _decode_tiff(data: bytes, notes: list[str]) -> Deep | None:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        bits, kind = page.bitspersample, page.sampleformat
        last = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)))
        if last > len(data):
            raise ValueError('the file ends before its pixels do')
        samples, photometric = page.samplesperpixel, int(page.photometric)
        if bits <= 8 or (kind == 1 and bits not in (16,)):
            return None
        if samples * page.imagedepth > MOST_CHANNELS:
            raise ValueError(
                f'it has {samples * page.imagedepth} channels; {MOST_CHANNELS} are read at most'
            )
        if photometric not in (_RGB, _WHITE_IS_ZERO, _BLACK_IS_ZERO) or kind not in (1, 3):
            return None
        colors = 3 if photometric == _RGB else 1
        try:
            values = page.asarray()
        except (ValueError, KeyError, ImportError, RuntimeError):
            # A compression for which tifffile needs another package.
            if page.planarconfig != 1 or samples not in (1, 3, 4):
                raise
            values = _with_libtiff(data)
        if values.ndim == 3 and page.planarconfig == 2 and samples > 1:
            values = values.transpose(1, 2, 0)
        alpha_kinds = [int(one) for one in page.extrasamples]
    if values.ndim == 2:
        values = values[..., None]
    if kind == 3 and values.dtype != np.float32:
        notes.append(f'Floats of {bits} bits were converted to 32 bits.')
        values = values.astype(np.float32)
    if photometric == _WHITE_IS_ZERO and kind == 1:
        values = 65535 - values
    if values.shape[2] > colors + 1:
        notes.append(f'Further channels ({values.shape[2] - colors - 1}) were left out.')
    plain = values[..., 0] if colors == 1 else values[..., :3]
    alpha = values[..., colors] if values.shape[2] > colors and alpha_kinds[:1] != [0] else None
    if alpha is not None and alpha_kinds[:1] == [1]:
        plain = _without_premultiplication(plain, alpha, notes)
    return (
        np.ascontiguousarray(plain),
        None if alpha is None else np.ascontiguousarray(alpha),
    )


def _without_premultiplication(
    values: np.ndarray, alpha: np.ndarray, notes: list[str]
) -> np.ndarray:
    notes.append('Colors multiplied by their alpha were divided by it.')
    share = alpha.astype(np.float32) / (65535 if alpha.dtype == np.uint16 else 1)
    share = share if values.ndim == 2 else share[..., None]
    divided: np.ndarray = np.divide(values, share, out=values.astype(np.float32), where=share > 0)
    if values.dtype == np.uint16:
        divided = np.rint(divided.clip(0, 65535)).astype(np.uint16)
    return divided


def _with_libtiff(data: bytes) -> np.ndarray:
    """Decode by OpenCV, which brings libtiff's compressions."""
    values, alpha = _with_opencv(data)
    return values if alpha is None else np.dstack([values, alpha])
