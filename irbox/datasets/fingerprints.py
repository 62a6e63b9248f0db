"""What tells images apart and finds their copies, kept from run to run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from irbox.datasets.file_facts import chunks_in_threads, digest_of_pixels
from irbox.datasets.image_store import FileState, file_states
from irbox.datasets.looks import LEAST, look_of, looks_of, shrunk
from irbox.datasets.read_image import BadImageError, open_brightness, open_image
from irbox.utils.download import cache_folder

# More than there are processors stand in each other's way: with two, eight take half as long again.
THREADS = min(32, os.cpu_count() or 1)
# Files that are read between two times of writing down, and looked up at once.
BATCH, ASKED = 2048, 512
# Whoever computes them in another way takes another name: older entries are left alone.
TABLE = """create table if not exists looks (
    path blob primary key, length integer, time integer, pixels blob, look blob) without rowid"""


class Fingerprint(NamedTuple):
    """Of the decoded image of a file: its look or, where it has none, its pixels."""

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
    run reads no image. Without a place to keep it, every run reads them all; a damaged file
    is removed.

    Args:
        paths: Distinct files.
        advance: Called with how many more files are done.
    """
    found: dict[Path, Fingerprint] = {}
    with _cache() as cache:
        state = file_states(paths)
        if cache is not None:
            try:
                found = dict(_known(cache, state))
            except sqlite3.Error as error:
                _remove_damaged(error)
                cache = None
        advance(len(found))
        left = [path for path in state if path not in found]
        for start in range(0, len(left), BATCH):
            part = left[start : start + BATCH]
            batch = chunks_in_threads(part, _fingerprints, advance, THREADS)
            new = {path: print_ for path, print_ in batch.items() if print_ is not None}
            found |= new
            if cache is not None:
                _keep(cache, ((path, state[path], print_) for path, print_ in new.items()))
    return found


def fingerprint(path: Path) -> Fingerprint | None:
    """Decode a file and give its fingerprint, or None where it cannot be read."""
    return _fingerprints([path])[0]


def _fingerprints(paths: Sequence[Path]) -> list[Fingerprint | None]:
    """Decode files.

    Equal images look alike in whatever kind of file they are (docs/datasets.md has how much), so
    that colors are decoded only where the look does not tell.
    """
    small = [_small(path) for path in paths]
    # Colors are rounded and cut off, so that a JPEG file's brightness is not quite the image's.
    looks = iter(looks_of([one for one in small if one is not None], least=2 * LEAST))
    found = (None if one is None else next(looks) for one in small)
    return [
        Fingerprint(b'', look) if look else _whole(path)
        for path, look in zip(paths, found, strict=True)
    ]


def _small(path: Path) -> Image.Image | None:
    try:
        return shrunk(open_brightness(path))
    except (BadImageError, OSError):
        return None  # it counts whether it is decoded as trainings do


def _whole(path: Path) -> Fingerprint | None:
    try:
        image = open_image(path)
    except (BadImageError, OSError):
        return None
    look = look_of(image)
    return Fingerprint(b'' if look else digest_of_pixels(image), look)


def cache_file() -> Path:
    """Name the file that keeps fingerprints: ``irbox/images.sqlite`` in the user's cache folder."""
    return cache_folder() / 'images.sqlite'


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())


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
            cache.execute('select path, length, time, pixels, look from looks limit 1')
        except sqlite3.Error as error:
            _remove_damaged(error)
            yield None
        else:
            yield cache


def _remove_damaged(error: sqlite3.Error) -> None:
    """Take the cache away if it is damaged: the next run makes it anew."""
    # Of the extended codes, the lowest byte says the kind.
    kind = getattr(error, 'sqlite_errorcode', sqlite3.SQLITE_OK) & 0xFF
    if kind not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return
    path = cache_file()
    try:
        # The journal first: it would be played into the next file of this name.
        for file in (path.with_name(f'{path.name}-journal'), path):
            file.unlink(missing_ok=True)
    except OSError:
        pass  # who cannot write there keeps nothing


def _known(
    cache: sqlite3.Connection, state: Mapping[Path, FileState]
) -> Iterator[tuple[Path, Fingerprint]]:
    keys = {_key(path): path for path in state}
    names = list(keys)
    for start in range(0, len(names), ASKED):
        some = names[start : start + ASKED]
        marks = ','.join('?' * len(some))
        query = f'select path, length, time, pixels, look from looks where path in ({marks})'
        for name, length, time, pixels, look in cache.execute(query, some):
            path = keys[name]
            if state[path] == (length, time):
                yield path, Fingerprint(pixels, look)


def _keep(cache: sqlite3.Connection, rows: Iterable[tuple[Path, FileState, Fingerprint]]) -> None:
    values = [(_key(path), *state, *print_) for path, state, print_ in rows]
    try:
        with cache:
            cache.executemany('insert or replace into looks values (?, ?, ?, ?, ?)', values)
    except sqlite3.Error as error:
        _remove_damaged(error)  # if not, the disk is full or read-only: the next run reads again
