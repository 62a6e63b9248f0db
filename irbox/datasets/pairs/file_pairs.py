"""The pairs of image files in folders."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from irbox.datasets.pairs.distinct_names import distinct_names
from irbox.datasets.pairs.pairs import ImagePair, Pairs


class FilePairs(Pairs):
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

    def pair(self, number: int) -> ImagePair:
        """Make the paths of one."""
        degraded, clean = self._folders[bisect_right(self._starts, number) - 1]
        names = self._degraded[number], self._clean[number]
        return ImagePair(degraded / names[0], clean / names[1], self._labels[number])

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
