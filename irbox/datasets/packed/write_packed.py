"""From image pairs to shards."""

from __future__ import annotations

import glob
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from irbox.datasets.image_store import file_states, open_file
from irbox.datasets.packed.packed_index import (
    SIDES,
    SUFFIX,
    entry_type,
    remove_index,
    shard_file,
    write_index,
)
from irbox.datasets.pairs.pairs import ImagePair
from irbox.datasets.read_image import open_image
from irbox.utils.files import atomic_write, remove_leftovers, write_text

_TITLE = 'json'
_PLAN = 'plan.json'


def write_packed(
    folder: Path,
    pairs: Sequence[ImagePair],
    titles: Sequence[str],
    about: dict[str, Any],
    per_shard: int = 1000,
) -> Iterator[int]:
    """Write pairs into shards; a folder whose writing was stopped goes on where it stopped.

    A shard is a tar file in WebDataset's way: ``000000012.input.png``, ``000000012.target.png`` and
    ``000000012.json`` (label and name) are a sample. Images stay the files that they are, byte for
    byte; each is opened first, so that no bad one is packed. What lies in the folder is compared
    with the files where these are not those of ``plan.json``, which was written before it.

    Args:
        folder: Its name ends in ``.packed``.
        pairs: In the order in which they are numbered.
        titles: A name for each, all different.
        about: What the index says of the set; ``per_shard`` and the number are added.
        per_shard: Pairs in a file.

    Yields:
        How many pairs are done.

    Raises:
        ValueError: The folder holds other images, names or labels, or an image is bad.
    """
    if folder.suffix != SUFFIX:
        raise ValueError(f'{folder}: the name of a packed set ends in {SUFFIX}.')
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    labels = sorted({pair.label for pair in pairs})
    files = (path.name for pair in pairs for path in (pair.degraded, pair.clean))
    longest = max(len(name.encode()) for name in itertools.chain(files, titles))
    entries = np.zeros(len(pairs), entry_type(longest))
    entries['label'] = [labels.index(pair.label) for pair in pairs]
    entries['title'] = [title.encode() for title in titles]
    parts = [
        (shard_file(folder, shard), range(first, min(first + per_shard, len(pairs))))
        for shard, first in enumerate(range(0, len(pairs), per_shard))
    ]
    _plan(folder, parts, pairs, titles, per_shard)
    for shard, (path, numbers) in enumerate(parts):
        if not path.exists():
            with atomic_write(path) as file, tarfile.open(fileobj=file, mode='w') as archive:
                for number in numbers:
                    _add(archive, number, pairs[number], titles[number])
                    yield number
        _note(path, shard, pairs, numbers, entries)
        yield numbers.stop
    write_index(folder, entries, labels, {**about, 'pairs': len(pairs), 'per_shard': per_shard})
    # Of a longer set that began with the same pairs.
    there = folder.glob(f'{glob.escape(folder.stem)}-*.tar')
    for path in set(there) - {path for path, _ in parts}:
        path.unlink()


def _plan(
    folder: Path,
    parts: Sequence[tuple[Path, range]],
    pairs: Sequence[ImagePair],
    titles: Sequence[str],
    per_shard: int,
) -> None:
    """Note what is to be packed, and refuse shards that hold anything else."""
    digest = hashlib.sha256()
    for pair, title in zip(pairs, titles, strict=True):
        states = file_states(path for _, path in _sides(pair))
        said = [(side, path.name, states.get(path)) for side, path in _sides(pair)]
        digest.update(repr((title, pair.label, said)).encode())
    plan = json.dumps({'per_shard': per_shard, 'digest': digest.hexdigest()})
    file = folder / _PLAN
    if file.exists() and file.read_text(encoding='utf-8') == plan:
        return
    for path, numbers in parts:
        if path.exists():
            _compare(path, numbers, pairs, titles)
    # An index that is there is good as long as all shards are.
    remove_index(folder)
    write_text(file, plan)


def _compare(path: Path, numbers: range, pairs: Sequence[ImagePair], titles: Sequence[str]) -> None:
    """Refuse a shard that holds anything but some pairs, to the byte."""
    expected = itertools.chain.from_iterable(
        _members(number, pairs[number], titles[number]) for number in numbers
    )
    try:
        with tarfile.open(path, 'r:') as archive:
            for member, one in itertools.zip_longest(archive, expected):
                if member is None or one is None or member.name != one[0]:
                    raise _another(path)
                there = archive.extractfile(member)
                if there is None or there.read() != one[1]():
                    raise _another(path)
    except tarfile.TarError:
        raise _another(path) from None


def _add(archive: tarfile.TarFile, number: int, pair: ImagePair, title: str) -> None:
    for _, path in _sides(pair):
        open_image(path)
    for name, read in _members(number, pair, title):
        _member(archive, name, read())


def _members(number: int, pair: ImagePair, title: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name the files of a pair in a shard, with what gives their content."""
    said = json.dumps({'label': pair.label, 'name': title}, ensure_ascii=False)
    yield f'{number:09}.{_TITLE}', said.encode
    for side, path in _sides(pair):
        yield _name(number, side, path), partial(_read, path)


def _read(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read()


def _member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    # Without owner and time: equal sets are equal files.
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _note(
    path: Path, shard: int, pairs: Sequence[ImagePair], numbers: range, entries: np.ndarray
) -> None:
    """Note where the images of a shard are, and that they are those of the pairs."""
    with tarfile.open(path, 'r:') as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive}
    expected = len(numbers)
    for number in numbers:
        for side, image in _sides(pairs[number]):
            expected += 1
            try:
                start, length = places[_name(number, side, image)]
            except KeyError:
                raise _another(path) from None
            entries[side][number] = shard, start, length, image.name.encode()
    if expected != len(places):
        raise _another(path)


def _sides(pair: ImagePair) -> list[tuple[str, Path]]:
    """Both images; of a pair that is one image, which will be degraded, the clean one."""
    both = list(zip(SIDES, (pair.degraded, pair.clean), strict=True))
    return both[1:] if pair.degraded == pair.clean else both


def _another(path: Path) -> ValueError:
    return ValueError(
        f'{path} holds other pairs than the config has now. Choose another folder, or delete '
        f'{path.parent}.'
    )


def _name(number: int, side: str, path: Path) -> str:
    return f'{number:09}.{side}{path.suffix.lower()}'
