"""Names of files that are told apart by their folders."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Name each file, all differently: the stem, where that is enough.

    Where stems come twice, as frame 000047 of every sequence, the names of the folders stand before
    all of them, as far as those differ: ``GOPR0372_07_00_000047``. Files of one folder that differ
    in type get it behind the name, and what is still equal, as ``a/b_1`` and ``a_b/1``, a number.
    """
    names = [path.stem for path in paths]
    if len(set(names)) == len(names):
        return names
    folders = [path.parent.parts for path in paths]
    if len({len(parts) for parts in folders}) == 1:
        differ = [len(set(level)) > 1 for level in zip(*folders, strict=True)]
        folders = [
            tuple(part for part, keep in zip(parts, differ, strict=True) if keep)
            for parts in folders
        ]
    names = ['_'.join((*folder, name)) for folder, name in zip(folders, names, strict=True)]
    counts = Counter(names)
    return numbered(
        [
            f'{name}_{path.suffix[1:]}' if counts[name] > 1 else name
            for name, path in zip(names, paths, strict=True)
        ]
    )


def numbered(names: Sequence[str]) -> list[str]:
    """Tell equal names apart: all but the first get ``_2`` and so on, past names that are there."""
    taken, seen = set(names), set[str]()
    if len(taken) == len(names):
        return list(names)
    found = []
    for name in names:
        if name in seen:
            free = (f'{name}_{number}' for number in itertools.count(2))
            name = next(one for one in free if one not in taken)
            taken.add(name)
        seen.add(name)
        found.append(name)
    return found
