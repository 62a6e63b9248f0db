"""PNG: the chunks that Pillow and OpenCV leave aside, put around pixels that they encode."""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from irbox.pictures.picture import Metadata

START = b'\x89PNG\r\n\x1a\n'
XMP_KEY = b'XML:com.adobe.xmp\0'
EXIF_KEY = b'Raw profile type exif\0'
TEXT = (b'tEXt', b'zTXt', b'iTXt')
COLOR = (b'iCCP', b'sRGB', b'gAMA', b'cHRM', b'cICP', b'mDCV', b'cLLI')
_GAMMA = struct.pack('>I', 45455)
_PRIMARIES = struct.pack('>8I', 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""Those of sRGB, as its files say them for programs that do not know it by name."""
_STRUCTURE = (b'IHDR', b'PLTE', b'IDAT', b'IEND', b'tRNS', b'bKGD', b'hIST', b'sBIT')
_FRAMES = (b'acTL', b'fcTL', b'fdAT')

Chunk = tuple[bytes, bytes]


def read_chunks(data: bytes) -> list[Chunk]:
    """Split a PNG file into its chunks: type and content, in order; pixels are left out.

    Raises:
        ValueError: The file ends too early, or a chunk is damaged.
    """
    chunks: list[Chunk] = []
    place = len(START)
    while True:
        if place + 12 > len(data):
            raise ValueError('the file ends before its last chunk')
        size, kind = struct.unpack_from('>I4s', data, place)
        content = data[place + 8 : place + 8 + size]
        place += size + 12
        if place > len(data):
            raise ValueError('the file ends within a chunk')
        if zlib.crc32(content, zlib.crc32(kind)) != struct.unpack_from('>I', data, place - 4)[0]:
            raise ValueError(f'chunk {kind.decode("latin-1")} is damaged')
        if kind == b'IEND':
            return chunks
        if kind != b'IDAT':
            chunks.append((kind, content))


def kept_chunks(chunks: list[Chunk], notes: list[str]) -> list[Chunk]:
    """Return the chunks that stay true for other pixels, less EXIF and XMP, which change."""
    if any(kind == b'caBX' for kind, _ in chunks):
        notes.append('Content credentials (C2PA) sign the old pixels and were left out.')
    left_out = (*_STRUCTURE, *_FRAMES, b'eXIf', b'caBX')
    return [
        (kind, content)
        for kind, content in chunks
        if kind not in left_out and not (kind in TEXT and content.startswith((XMP_KEY, EXIF_KEY)))
    ]


def own_colors(chunks: list[Chunk]) -> list[str]:
    """Name the chunks by which colors mean something else than what they do without any."""
    found = dict(chunks)
    if b'cICP' in found:
        return ['cICP']
    if b'sRGB' in found:
        return []
    plain = {b'gAMA': _GAMMA, b'cHRM': _PRIMARIES}
    return [kind.decode() for kind, usual in plain.items() if found.get(kind, usual) != usual]


def find_xmp(chunks: list[Chunk]) -> bytes | None:
    """Return the XMP packet, wherever in the file it stands."""
    for kind, content in chunks:
        if kind == b'iTXt' and content.startswith(XMP_KEY):
            compressed, rest = content[len(XMP_KEY)], content[len(XMP_KEY) + 2 :]
            # Language and translated keyword, both empty as a rule, end with a zero.
            text = rest.split(b'\0', 2)[-1]
            if compressed:
                return zlib.decompressobj().decompress(text, PngImagePlugin.MAX_TEXT_CHUNK)
            return text
    return None


def find_chunk(chunks: list[Chunk], kind: bytes) -> bytes | None:
    """Return the content of the first chunk of a kind, or None."""
    return next((content for one, content in chunks if one == kind), None)


def swap_resolution(chunks: list[Chunk]) -> list[Chunk]:
    """Exchange horizontal and vertical resolution."""
    return [
        (kind, content[4:8] + content[:4] + content[8:] if kind == b'pHYs' else content)
        for kind, content in chunks
    ]


def write_png(
    file: BinaryIO, values: np.ndarray, alpha: np.ndarray | None, metadata: Metadata
) -> None:
    """Write a PNG file.

    Args:
        file: Where to.
        values: (H, W) grey or (H, W, 3) RGB, uint8 or uint16.
        alpha: (H, W) of the same dtype, or None.
        metadata: What to write beside the pixels.
    """
    encoded = _encode(values, alpha)
    # The header chunk is 25 bytes long.
    head = len(START) + 25
    file.write(encoded[:head])
    for kind, content in _ancillary(metadata):
        file.write(pack(kind, content))
    file.write(encoded[head:])


def pack(kind: bytes, content: bytes) -> bytes:
    """Lay out one chunk."""
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack('>I4s', len(content), kind) + content + struct.pack('>I', check)


def _encode(values: np.ndarray, alpha: np.ndarray | None) -> memoryview:
    if values.dtype == np.uint8:
        if alpha is not None:
            values = np.dstack([values, alpha])
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, 'PNG')
        return buffer.getbuffer()
    if values.ndim == 2 and alpha is not None:
        return memoryview(_encode_gray_alpha(values, alpha))
    import cv2

    if values.ndim == 3:
        values = values[..., ::-1]
    if alpha is not None:
        values = np.dstack([values, alpha])
    _, encoded = cv2.imencode('.png', np.ascontiguousarray(values))
    return memoryview(encoded.tobytes())


def _encode_gray_alpha(values: np.ndarray, alpha: np.ndarray) -> bytes:
    """Encode 16-bit grey with alpha, which neither Pillow nor OpenCV writes."""
    height, width = values.shape
    rows = np.stack([values, alpha], axis=-1).astype('>u2').reshape(height, width * 2)
    raw = np.zeros((height, 1 + width * 4), dtype=np.uint8)  # filter 0 before each row
    raw[:, 1:] = rows.view(np.uint8)
    header = struct.pack('>IIBBBBB', width, height, 16, 4, 0, 0, 0)
    content = zlib.compress(raw.tobytes(), 6)
    return START + pack(b'IHDR', header) + pack(b'IDAT', content) + pack(b'IEND', b'')


def _ancillary(metadata: Metadata) -> list[Chunk]:
    """Return the chunks that stand before the pixels: Pillow makes those that we do not have."""
    own = list(metadata.chunks)
    kinds = {kind for kind, _ in own}
    info = PngImagePlugin.PngInfo()
    if metadata.xmp is not None:
        info.add_itxt('XML:com.adobe.xmp', metadata.xmp.decode('utf-8', 'replace'))
    options = {
        'icc_profile': None if b'iCCP' in kinds else metadata.icc,
        'dpi': None if b'pHYs' in kinds else metadata.dpi,
        'exif': metadata.exif,
        'pnginfo': info,
    }
    pattern = Image.new('L', (1, 1))
    made = [
        (kind, content)
        for kind, content, _ in PngImagePlugin.getchunks(pattern, **options)
        if kind not in _STRUCTURE
    ]
    return sorted(own + made, key=lambda chunk: chunk[0] not in COLOR)
