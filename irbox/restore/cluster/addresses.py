"""Files on the disk and at addresses that fsspec knows, such as ``s3://bucket/photos``."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irbox.utils.optional import require

AT_ONCE = 1000
"""Files whose first bytes are asked for together."""


def is_address(text: str) -> bool:
    """Tell whether a text is an address, and no path."""
    return '://' in text


def open_system(text: str) -> tuple[Any, str]:
    """Give the file system that an address or a path belongs to, and its name there.

    Raises:
        ValueError: No such kind of address is known, or what it needs is not installed.
    """
    fsspec = require('fsspec', needed_by=f'The address {text}')
    try:
        system, path = fsspec.core.url_to_fs(text)
    except (ValueError, ImportError) as error:
        raise ValueError(f'The address {text} cannot be opened: {error}') from error
    return system, str(path)


def join(folder: str, name: str) -> str:
    """Name a file in a folder, which may be an address."""
    return posixpath.join(folder, name) if is_address(folder) else str(Path(folder, name))


def exists(address: str) -> bool:
    """Tell whether something is at an address."""
    system, path = open_system(address)
    return bool(system.exists(path))


def read_part(text: str, start: int, size: int) -> bytes:
    """Read a part of a file: one picture of an archive.

    Raises:
        ValueError: The file is shorter than it was.
    """
    if is_address(text):
        system, path = open_system(text)
        content: bytes = system.cat_file(path, start=start, end=start + size)
    else:
        with open(text, 'rb') as file:
            file.seek(start)
            content = file.read(size)
    if len(content) != size:
        raise ValueError(f'{text} has become shorter while it was read.')
    return content


def heads_of(addresses: Sequence[str], size: int) -> Iterator[bytes]:
    """Read how the files at addresses begin, many at the same time.

    Args:
        addresses: Of the files.
        size: Bytes of each.

    Yields:
        What each begins with, in their order; nothing where it cannot be read.
    """
    for start in range(0, len(addresses), AT_ONCE):
        places: dict[Any, dict[str, str]] = defaultdict(dict)
        for address in addresses[start : start + AT_ONCE]:
            system, path = open_system(address)
            places[system][address] = path
        heads: dict[str, Any] = {}
        for system, paths in places.items():
            several = list(paths.values())
            found = system.cat_ranges(several, [0] * len(several), [size] * len(several))
            heads |= zip(paths, found, strict=True)
        for address in addresses[start : start + AT_ONCE]:
            head = heads[address]
            # A server may send the whole, and what cannot be read comes as an error.
            yield head[:size] if isinstance(head, bytes) else b''


def read_whole(address: str) -> bytes:
    """Read the file at an address."""
    system, path = open_system(address)
    content: bytes = system.cat_file(path)
    return content


def write_whole(address: str, content: bytes) -> None:
    """Write a file at an address: stores of objects show it when it is whole, and not before."""
    system, path = open_system(address)
    if 'file' in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)):
        from irbox.utils.files import atomic_write

        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content)
        return
    system.makedirs(posixpath.dirname(path), exist_ok=True)
    system.pipe_file(path, content)
