"""Files with the same content, found without reading more than is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from irbox.datasets.file_facts import FileFacts, in_threads
from irbox.datasets.image_store import file_length, open_file

Groups = list[list[Path]]
_SAMPLE = 4096


def equal_files(
    facts: Mapping[Path, FileFacts], matters: Callable[[Sequence[Path]], bool]
) -> Groups:
    """Group files that are the same.

    Files are compared by length first, then by 4 KiB from their middle, then as a whole. Where the
    images were decoded, pixels are compared instead: a copy in another file type is found as well.

    Args:
        facts: Of all files. Those that could not be read are left aside.
        matters: Whether it would matter that files are the same; others are not read.
    """
    readable = [path for path, fact in facts.items() if fact.size is not None]
    if all(facts[path].pixels for path in readable):
        return _split([readable], lambda path: facts[path].pixels, matters)
    groups = _split([readable], lambda path: facts[path].length, matters)
    for read in (_sample, _whole):
        contents = in_threads([path for group in groups for path in group], read)
        groups = _split(groups, contents.__getitem__, matters)
    return groups


def _split(
    groups: Iterable[Sequence[Path]],
    key: Callable[[Path], Hashable],
    matters: Callable[[Sequence[Path]], bool],
) -> Groups:
    found = []
    for group in groups:
        parts: dict[Hashable, list[Path]] = {}
        for path in group:
            parts.setdefault(key(path), []).append(path)
        found += [part for part in parts.values() if len(part) > 1 and matters(part)]
    return found


def _sample(path: Path) -> bytes:
    with open_file(path) as file:
        file.seek(file_length(path) // 2)
        return file.read(_SAMPLE)


def _whole(path: Path) -> bytes:
    with open_file(path) as file:
        digest = hashlib.blake2b()
        while part := file.read(1 << 20):
            digest.update(part)
        return digest.digest()
