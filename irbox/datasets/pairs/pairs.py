"""Pairs of image files as a sequence that makes them as they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload


class ImagePair(NamedTuple):
    """A degraded image file, its clean one, and what is wrong with it."""

    degraded: Path
    clean: Path
    label: str


class Pairs(Sequence[ImagePair]):
    """What sequences of pairs have in common: numbers from the end, and slices, which are lists.

    Those that derive from it say how many there are, and give one by its number.
    """

    @abstractmethod
    def pair(self, number: int) -> ImagePair:
        """Give the pair of a number from 0 to the last."""

    @overload
    def __getitem__(self, number: int) -> ImagePair: ...

    @overload
    def __getitem__(self, number: slice) -> list[ImagePair]: ...

    def __getitem__(self, number: int | slice) -> ImagePair | list[ImagePair]:
        if isinstance(number, slice):
            return [self.pair(one) for one in range(*number.indices(len(self)))]
        return self.pair(self.at(number))

    def at(self, number: int) -> int:
        """Count a negative number from the end.

        Raises:
            IndexError: There is no such pair.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f'There are {len(self)} pairs, and no number {number}.')
        return number % len(self)
