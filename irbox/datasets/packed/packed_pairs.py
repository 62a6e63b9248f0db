"""The pairs of a packed set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from irbox.datasets.packed.packed_index import open_index
from irbox.datasets.pairs.paired_source import ImagePair


class PackedPairs(Sequence[ImagePair]):
    """Gives pairs as they are asked for: nothing is kept for each of a million.

    Args:
        folder: Of the set, its name ends in ``.packed``.

    Raises:
        FileNotFoundError, ValueError: See ``open_index``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labels = open_index(folder).labels

    def title(self, number: int) -> str:
        """Give the name of a pair among all of its source."""
        return open_index(self.folder).title(number)

    def all_labels(self) -> np.ndarray:
        """Give the labels of all pairs, (N,) of text."""
        return open_index(self.folder).all_labels()

    def __len__(self) -> int:
        return len(open_index(self.folder))

    @overload
    def __getitem__(self, number: int) -> ImagePair: ...

    @overload
    def __getitem__(self, number: slice) -> list[ImagePair]: ...

    def __getitem__(self, number: int | slice) -> ImagePair | list[ImagePair]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f'There are {len(self)} pairs, and no number {number}.')
        index, place = open_index(self.folder), number % len(self)
        degraded, clean = (index.path(place, side) for side in ('input', 'target'))
        return ImagePair(degraded, clean, index.label(place))
