"""Where each image of a packed set is: in which shard, and at which bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from irbox.utils.files import atomic_write, write_text

SUFFIX = '.packed'
"""Of folders that hold a packed set."""
SIDES = ('input', 'target')
_ABOUT, _ENTRIES = 'about.json', 'entries.npy'
FIELDS = ('input', 'target', 'label', 'title')


def entry_type(longest: int) -> np.dtype[Any]:
    """Give the type of an entry whose names have at most so many bytes."""
    name = f'S{longest}'
    side = [('shard', 'u4'), ('start', 'u8'), ('length', 'u4'), ('name', name)]
    return np.dtype([('input', side), ('target', side), ('label', 'u2'), ('title', name)])


@dataclass(frozen=True)
class PackedIndex:
    """The index of a packed set, on the disk: processes share its memory, whatever its length."""

    folder: Path
    entries: np.ndarray
    """(N,) of ``entry_type``."""
    labels: tuple[str, ...]
    about: dict[str, Any]
    """What the set was made of."""

    def shard(self, number: int) -> Path:
        """Name a shard, which keeps its name where the folder gets another."""
        return self.folder / _shard_name(self.about.get('stem', self.folder.stem), number)

    def __len__(self) -> int:
        return len(self.entries)

    def path(self, number: int, side: str) -> Path:
        """Name an image of a pair, as if it was a file; ``read_entry`` reads it.

        Both sides of a pair that is one image have one name.
        """
        entry = self.entries[number]
        if entry['input']['length'] == 0:
            side = 'target'
        name: str = entry[side]['name'].decode()
        return Path(self.folder, f'{side}-{number}', name)

    def label(self, number: int) -> str:
        """Give what is wrong with the degraded image."""
        return str(self.labels[self.entries['label'][number]])

    def all_labels(self) -> np.ndarray:
        """Give the labels of all pairs, (N,) of text."""
        found: np.ndarray = np.asarray(self.labels)[self.entries['label']]
        return found

    def title(self, number: int) -> str:
        """Give the name of a pair among all of its source."""
        title: bytes = self.entries['title'][number]
        return title.decode()


@lru_cache(maxsize=64)
def open_index(folder: Path) -> PackedIndex:
    """Open the index of a packed set.

    Raises:
        FileNotFoundError: The folder is none, its packing has not ended, or it has no shards.
        ValueError: It was written by another version.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding='utf-8'))
        entries = np.load(folder / _ENTRIES, mmap_mode='r', allow_pickle=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{folder} is no packed set, or its packing has not ended: it has no {_ABOUT}. '
            'tools/pack_data.py makes it, and goes on where it stopped.'
        ) from error
    if entries.dtype.names != FIELDS:
        raise ValueError(f'{folder} was packed by another version of irbox. Pack it anew.')
    index = PackedIndex(folder, entries, tuple(about['labels']), about)
    if len(index) and not index.shard(0).exists():
        raise FileNotFoundError(
            f'{folder} has no {index.shard(0).name}, which its index names. If the folder was '
            'renamed, give it its old name; else pack the set anew.'
        )
    return index


def write_index(
    folder: Path, entries: np.ndarray, labels: list[str], about: dict[str, Any]
) -> None:
    """Write the index of a set whose shards are whole.

    Args:
        folder: Of the shards.
        entries: (N,) of ``entry_type``.
        labels: That entries name by number.
        about: See ``PackedIndex``.
    """
    with atomic_write(folder / _ENTRIES) as file:
        np.save(file, entries, allow_pickle=False)
    said = {**about, 'labels': labels, 'stem': folder.stem}
    # Last: it says that the rest is there.
    write_text(folder / _ABOUT, json.dumps(said, indent=1))


def remove_index(folder: Path) -> None:
    """Take the index of a set away whose shards will be others."""
    (folder / _ABOUT).unlink(missing_ok=True)


def is_packed(path: Path) -> bool:
    """Tell whether a path, of ``PackedIndex.path``, names an image in a packed set."""
    return path.parent.parent.suffix == SUFFIX


def read_entry(path: Path) -> bytes:
    """Read the content of an image.

    Args:
        path: Of ``PackedIndex.path``.

    Raises:
        FileNotFoundError: There is no such image.
        ValueError: A shard has become shorter.
    """
    index, entry = _entry(path)
    with open(index.shard(int(entry['shard'])), 'rb') as file:
        file.seek(int(entry['start']))
        content = file.read(int(entry['length']))
    if len(content) != entry['length']:
        raise ValueError(f'{file.name} is cut short. Pack the set anew.')
    return content


def entry_length(path: Path) -> int:
    """Measure an image in bytes, without reading it."""
    return int(_entry(path)[1]['length'])


def shard_file(folder: Path, number: int) -> Path:
    """Name a shard that is yet to be written."""
    return folder / _shard_name(folder.stem, number)


def entries_file(folder: Path) -> Path:
    """Name the file that changes when the set does."""
    return folder / _ENTRIES


def _shard_name(stem: str, number: int) -> str:
    return f'{stem}-{number:06}.tar'


def _entry(path: Path) -> tuple[PackedIndex, Any]:
    side, _, number = path.parent.name.partition('-')
    index = open_index(path.parent.parent)
    if side in SIDES and number.isdecimal() and int(number) < len(index):
        entry = index.entries[int(number)][side]
        if entry['name'].decode() == path.name:
            return index, entry
    raise FileNotFoundError(f'{index.folder} has no image {path.parent.name}/{path.name}.')
