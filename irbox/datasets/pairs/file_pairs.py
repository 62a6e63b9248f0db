"""The pairs of image files in folders."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from irbox.datasets.pairs.distinct_names import distinct_names


class ImagePair(NamedTuple):
    """A degraded image file, its clean one, and what is wrong with it."""

    degraded: Path
    clean: Path
    label: str


class FilePairs(Sequence[ImagePair]):
    """Keeps the names of files and makes paths of them as they are asked for.

    A path takes several times the memory of a name, and a hundred thousand of them a second.
    """

    def __init__(self) -> None:
        self._degraded: list[str] = []
        self._clean: list[str] = []
        self._labels: list[str] = []
        self._folders: list[tuple[Path, Path]] = []
        self._starts: list[int] = []

    def enter(self, degraded: Path, clean: Path) -> None:
        """Say in which folders the files are that are added from now on."""
        self._folders.append((degraded, clean))
        self._starts.append(len(self))

    def add(self, degraded: str, clean: str, label: str) -> None:
        """Add a pair by the names of its files."""
        self._degraded.append(degraded)
        self._clean.append(clean)
        self._labels.append(label)

    def folders(self) -> set[Path]:
        """Give the folders with degraded images."""
        ends = [*self._starts[1:], len(self)]
        used = zip(self._folders, self._starts, ends, strict=True)
        return {degraded for (degraded, _), start, end in used if start < end}

    def titles(self) -> list[str]:
        """Name each pair, all differently, see ``distinct_names``."""
        stems = [name.rpartition('.')[0] for name in self._degraded]
        if len(set(stems)) == len(stems):
            return stems
        return distinct_names([pair.degraded for pair in self])

    def all_labels(self) -> np.ndarray:
        """Give the labels of all pairs, (N,) of text."""
        return np.array(self._labels, dtype=np.str_)

    def __len__(self) -> int:
        return len(self._degraded)

    @overload
    def __getitem__(self, number: int) -> ImagePair: ...

    @overload
    def __getitem__(self, number: slice) -> list[ImagePair]: ...

    def __getitem__(self, number: int | slice) -> ImagePair | list[ImagePair]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f'There are {len(self)} pairs, and no number {number}.')
        place = number % len(self)
        degraded, clean = self._folders[bisect_right(self._starts, place) - 1]
        names = self._degraded[place], self._clean[place]
        return ImagePair(degraded / names[0], clean / names[1], self._labels[place])

    def __iter__(self) -> Iterator[ImagePair]:
        ends = [*self._starts[1:], len(self)]
        for (degraded, clean), start, end in zip(self._folders, self._starts, ends, strict=True):
            last, path = '', clean
            for place in range(start, end):
                # Many degraded images share a clean one: its path is made once.
                if self._clean[place] != last:
                    last = self._clean[place]
                    path = clean / last
                yield ImagePair(degraded / self._degraded[place], path, self._labels[place])
