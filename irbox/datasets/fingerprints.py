"""What tells images apart and finds their copies, kept from run to run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.fft import dctn

from irbox.datasets.file_facts import digest_of_pixels, in_threads
from irbox.datasets.image_store import FileState, file_state
from irbox.datasets.read_image import BadImageError, open_image
from irbox.utils.download import cache_folder

# The image is made this small, and this many of the lowest frequencies each way are kept.
SIDE, FREQUENCIES = 64, 16
# Gray levels that the small image deviates by, at least.
LEAST = 2.0
BATCH = 512
TABLE = """create table if not exists images (
    path blob primary key, length integer, time integer, pixels blob, look blob)"""


class Fingerprint(NamedTuple):
    """Of the decoded image of a file."""

    pixels: bytes
    """Digest of its pixels, 16 bytes: equal for equal images, in whatever kind of file."""
    look: bytes
    """256 bits that stay nearly the same when it is resized or written as JPEG anew; none where it
    shows too little, such as one color."""


def fingerprints(
    paths: Sequence[Path], advance: Callable[[int], None] = lambda number: None
) -> dict[Path, Fingerprint]:
    """Give the fingerprints of image files; those that cannot be read have none.

    What was found is kept in ``cache_file()`` by path, length and time of change, so that a second
    run reads no image. Without a place to keep it, every run reads them all.

    Args:
        paths: Distinct files.
        advance: Called with how many more files are done.
    """
    found: dict[Path, Fingerprint] = {}
    with _cache() as cache:
        state = {path: _state(path) for path in paths}
        if cache is not None:
            found = dict(_known(cache, state))
        advance(len(found))
        left = [path for path in paths if path not in found and state[path] is not None]
        for start in range(0, len(left), BATCH):
            batch = in_threads(left[start : start + BATCH], fingerprint, advance)
            new = {path: print_ for path, print_ in batch.items() if print_ is not None}
            found |= new
            if cache is not None:
                _keep(cache, ((path, state[path], print_) for path, print_ in new.items()))
    return found


def fingerprint(path: Path) -> Fingerprint | None:
    """Decode a file and give its fingerprint, or None where it cannot be read."""
    try:
        image = open_image(path)
    except (BadImageError, OSError):
        return None
    return Fingerprint(digest_of_pixels(image), look_of(image))


def look_of(image: Image.Image) -> bytes:
    """Give 256 bits: which of the lowest frequencies of an image's brightness are above the median.

    The perceptual hash by the discrete cosine transform (Zauner, 2010), with 16 frequencies each
    way in the place of 8, so that images of one place stay apart. Images that show too little to be
    told apart by it, such as one color, have no bits.
    """
    small = np.asarray(image.convert('L').resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    if small.std() < LEAST:
        return b''
    waves = dctn(small)[:FREQUENCIES, :FREQUENCIES].ravel()
    waves[0] = 0  # the mean says how bright it is, not what it shows
    return np.packbits(waves > np.median(waves)).tobytes()


def distances(looks: Sequence[bytes], others: Sequence[bytes]) -> np.ndarray:
    """Count the bits that differ: (number of looks, number of others)."""
    ours, theirs = (_words(many) for many in (looks, others))
    found = np.zeros((len(ours), len(theirs)), np.uint16)
    for word in range(ours.shape[1]):
        found += np.bitwise_count(ours[:, word, None] ^ theirs[None, :, word])
    return found


def cache_file() -> Path:
    """Name the file that keeps fingerprints: ``irbox/images.sqlite`` in the user's cache folder."""
    return cache_folder() / 'images.sqlite'


def _words(looks: Sequence[bytes]) -> np.ndarray:
    bits = FREQUENCIES**2
    return np.frombuffer(b''.join(looks), np.uint64).reshape(len(looks), bits // 64)


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())


def _state(path: Path) -> FileState | None:
    try:
        return file_state(path)
    except OSError:
        return None


@contextmanager
def _cache() -> Iterator[sqlite3.Connection | None]:
    """Open the cache; None where there is no place for it, or another program spoilt it."""
    try:
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(cache_file(), timeout=60)
    except (OSError, RuntimeError, sqlite3.Error):
        yield None
        return
    with closing(cache):
        try:
            cache.execute(TABLE)
            cache.execute('select path, length, time, pixels, look from images limit 1')
        except sqlite3.Error:
            yield None
        else:
            yield cache


def _known(
    cache: sqlite3.Connection, state: dict[Path, FileState | None]
) -> Iterator[tuple[Path, Fingerprint]]:
    keys = {_key(path): path for path in state}
    names = list(keys)
    for start in range(0, len(names), BATCH):
        some = names[start : start + BATCH]
        marks = ','.join('?' * len(some))
        query = f'select path, length, time, pixels, look from images where path in ({marks})'
        for name, length, time, pixels, look in cache.execute(query, some):
            path = keys[name]
            if state[path] == (length, time):
                yield path, Fingerprint(pixels, look)


def _keep(
    cache: sqlite3.Connection,
    rows: Iterable[tuple[Path, FileState | None, Fingerprint]],
) -> None:
    values = [(_key(path), *(state or (0, 0)), *print_) for path, state, print_ in rows]
    try:
        with cache:
            cache.executemany('insert or replace into images values (?, ?, ?, ?, ?)', values)
    except sqlite3.Error:
        return  # a full or read-only disk: the next run reads them again
