"""The pairs of a packed set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from irbox.datasets.packed.packed_index import open_index
from irbox.datasets.pairs.pairs import ImagePair, Pairs


class PackedPairs(Pairs):
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

    def pair(self, number: int) -> ImagePair:
        """Read one from the index."""
        index = open_index(self.folder)
        degraded, clean = (index.path(number, side) for side in ('input', 'target'))
        return ImagePair(degraded, clean, index.label(number))
