"""What there is to know about image files, read by many threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from PIL import Image

from irbox.datasets.image_store import file_length
from irbox.datasets.read_image import BadImageError, open_image, opened

Key = TypeVar('Key')
THREADS = min(32, 4 * (os.cpu_count() or 1))
CHUNK = 64
# Damage of these kinds shows at the end of a file.
_ENDS = {'PNG': (12, b'IEND'), 'JPEG': (2, b'\xff\xd9')}


class FileFacts(NamedTuple):
    """What is known about a file."""

    length: int
    """In bytes."""
    size: tuple[int, int] | None
    """Width and height; None where the file cannot be read."""
    problem: str = ''
    """Why it cannot be read."""
    pixels: bytes = b''
    """Digest of the decoded image, if it was decoded."""


def read_facts(
    paths: Sequence[Path], deep: bool = False, advance: Callable[[int], None] = lambda number: None
) -> dict[Path, FileFacts]:
    """Read the headers of image files.

    A PNG, JPEG or BMP file that is not as long as it should be is decoded to see whether it is
    damaged.

    Args:
        paths: Distinct files.
        deep: Decode every file.
        advance: Called with how many more files are done.
    """
    return in_threads(paths, _decoded if deep else _header, advance)


def in_threads(
    paths: Sequence[Path],
    function: Callable[[Path], Key],
    advance: Callable[[int], None] = lambda number: None,
) -> dict[Path, Key]:
    """Give what a function says of each of many files; many threads wait for the disk."""
    return chunks_in_threads(paths, lambda chunk: [function(path) for path in chunk], advance)


def chunks_in_threads(
    paths: Sequence[Path],
    function: Callable[[Sequence[Path]], Sequence[Key]],
    advance: Callable[[int], None] = lambda number: None,
    threads: int = THREADS,
) -> dict[Path, Key]:
    """Give what a function says of many files, some dozens at a time."""
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    found: dict[Path, Key] = {}
    with ThreadPoolExecutor(threads) as pool:
        for chunk, values in zip(chunks, pool.map(function, chunks), strict=True):
            found.update(zip(chunk, values, strict=True))
            advance(len(chunk))
    return found


def digest_of_pixels(image: Image.Image) -> bytes:
    """Give 16 bytes that are equal for equal images, in whatever kind of file they were."""
    digest = hashlib.blake2b(image.tobytes(), digest_size=16)
    digest.update(repr(image.size).encode())
    return digest.digest()


def _header(path: Path) -> FileFacts:
    length = 0
    try:
        with opened(path) as (image, file):
            length, size = file_length(path), image.size
            whole = _looks_whole(file, image.format or '', length)
        if not whole:
            open_image(path)  # which says what is wrong
        return FileFacts(length, size)
    except BadImageError as error:
        return FileFacts(length, None, _explain(error))


def _decoded(path: Path) -> FileFacts:
    length = 0
    try:
        length = file_length(path)
        image = open_image(path)
        return FileFacts(length, image.size, pixels=digest_of_pixels(image))
    except (BadImageError, OSError) as error:
        return FileFacts(length, None, _explain(error))


def _looks_whole(file: BinaryIO, kind: str, length: int) -> bool:
    if kind in _ENDS:
        number, mark = _ENDS[kind]
        file.seek(max(0, length - number))
        return mark in file.read()
    if kind == 'BMP':
        file.seek(2)
        return int.from_bytes(file.read(4), 'little') <= length
    return True


def _explain(error: Exception) -> str:
    """Say what is wrong; what to do about it is the caller's to say."""
    return str(error).split('. Replace the file')[0].rstrip('.') or type(error).__name__
