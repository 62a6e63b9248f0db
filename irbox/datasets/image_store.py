"""Where the bytes of image files come from: a folder, an lmdb of BasicSR's layout, or shards."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

from irbox.datasets.packed.packed_index import SUFFIX as PACKED
from irbox.datasets.packed.packed_index import entries_file, entry_length, is_packed, read_entry
from irbox.pictures.open_image import check_regular
from irbox.utils.optional import require

SUFFIX = '.lmdb'
"""Of folders that are a database; BasicSR asks for it, too."""
_CONTENT, _NAMES = 'data.mdb', 'meta_info.txt'
# A process must not have a database open twice, and a child must not use its parent's: so each read
# opens and closes it, which takes 0.1 ms where decoding an image takes several.
_ONE_AT_A_TIME = Lock()
# Bytes of a file that is read at once.
_LONGEST = 2**26


class FileState(NamedTuple):
    """What changes when a file does."""

    length: int
    """In bytes; of a database, all of it."""
    time: int
    """Of the last change, in nanoseconds."""


def is_database(folder: Path) -> bool:
    """Tell whether a folder is a database, by its name and its files."""
    return folder.suffix.lower() == SUFFIX and (folder / _CONTENT).is_file()


def names_in_database(folder: Path) -> list[str]:
    """List the names of the images in a database, as ``meta_info.txt`` has them.

    Each of its lines is ``NAME.png (height,width,channels) compression``; the image's key is its
    name without suffix.

    Raises:
        ImportError: The package lmdb is missing.
        ValueError: There is no ``meta_info.txt``, or a name has folders in it.
    """
    require('lmdb', needed_by=f'The database {folder}')
    try:
        lines = (folder / _NAMES).read_text(encoding='utf-8-sig').splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ValueError(
            f'The database {folder} has no {_NAMES} that can be read ({error}). It lists the names '
            "of the images, as BasicSR's tools write it."
        ) from error
    names = [line.rpartition(' (')[0] or line.strip() for line in lines if line.strip()]
    if deep := [name for name in names if '/' in name]:
        raise ValueError(
            f'The database {folder} has names with folders in them, such as {deep[0]}. irbox reads '
            'databases of single images: name the folders that it was made of instead.'
        )
    return names


def open_file(path: str | Path, at_once: bool = False) -> BinaryIO:
    """Open an image file for reading: a regular one, or an entry of a database.

    Args:
        path: Of the file.
        at_once: Whether to read it now, unless it is very long: what is given is a ``BytesIO`` then
            and takes fewer calls of the system, of which each may make a thread wait for others.

    Raises:
        FileNotFoundError: There is no such file or entry.
        ValueError: It is a folder, a pipe, a socket or a device.
    """
    if not _is_plain(path):
        if is_packed(Path(path)):
            return BytesIO(read_entry(Path(path)))
        if is_database(folder := Path(path).parent):
            return BytesIO(_entry(folder, Path(path).stem))
    check_regular(path)
    if at_once:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, 'O_BINARY', 0))
        try:
            length = os.fstat(descriptor).st_size
            if length <= _LONGEST:
                content = os.read(descriptor, length + 1)
                while len(content) < length and (more := os.read(descriptor, length)):
                    content += more
                return BytesIO(content)
        finally:
            os.close(descriptor)
    return open(path, 'rb')


def file_length(path: Path) -> int:
    """Measure an image file, or an entry of a database, in bytes.

    Raises:
        OSError: It cannot be looked at.
    """
    if is_packed(path):
        return entry_length(path)
    if is_database(path.parent):
        return len(_entry(path.parent, path.stem))
    return path.stat().st_size


def file_state(path: Path) -> FileState:
    """Give what changes when a file does; for an entry of a database, when this does.

    Raises:
        OSError: It cannot be looked at.
    """
    if is_packed(path):
        status = entries_file(path.parent.parent).stat()
        return FileState(entry_length(path), status.st_mtime_ns)
    status = (path.parent / _CONTENT if is_database(path.parent) else path).stat()
    return FileState(status.st_size, status.st_mtime_ns)


def file_states(paths: Iterable[Path]) -> dict[Path, FileState]:
    """Give ``file_state`` of many files; those that cannot be looked at are left out."""
    found = {}
    for path in paths:
        try:
            if _is_plain(path):
                status = os.stat(path)
                found[path] = FileState(status.st_size, status.st_mtime_ns)
            else:
                found[path] = file_state(path)
        except OSError:
            continue
    return found


def _is_plain(path: str | Path) -> bool:
    """Tell files that are no entries by their names alone, in a tenth of the time."""
    name = os.fspath(path).lower()
    return SUFFIX not in name and PACKED not in name


def _entry(folder: Path, key: str) -> bytes:
    lmdb: Any = require('lmdb', needed_by=f'The database {folder}')
    with (
        _ONE_AT_A_TIME,
        lmdb.open(str(folder), readonly=True, lock=False, readahead=False) as database,
        database.begin() as transaction,
    ):
        found: bytes | None = transaction.get(key.encode())
    if found is None:
        raise FileNotFoundError(f'{folder} has no entry {key}.')
    return found
