"""The pairs of several sources, as one sequence."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.pairs.data_source import DataSource, labels_of
from irbox.datasets.pairs.distinct_names import distinct_names, numbered
from irbox.datasets.pairs.file_pairs import FilePairs
from irbox.datasets.pairs.pairs import ImagePair, Pairs


@dataclass(frozen=True)
class Part:
    """The pairs of a source that are used, and the names of their samples."""

    source: DataSource
    pairs: Sequence[ImagePair]
    name: Callable[[int], str]

    @classmethod
    def of(cls, source: DataSource, pairs: Sequence[ImagePair], prefix: str) -> Part:
        """Name the pairs of a source, all differently, with something before it."""
        if isinstance(pairs, PackedPairs):
            return cls(source, pairs, _Prefixed(prefix, pairs.title))
        if isinstance(pairs, FilePairs):
            names = pairs.titles()
        else:
            names = distinct_names([pair.degraded for pair in pairs])
        return cls(source, pairs, _Prefixed(prefix, names.__getitem__))

    def labels(self) -> np.ndarray:
        """Give the label of each pair, (N,) of text."""
        return labels_of(self.pairs)


@dataclass(frozen=True)
class _Prefixed:
    prefix: str
    name: Callable[[int], str]

    def __call__(self, number: int) -> str:
        return self.prefix + self.name(number)


def _told_apart(parts: Sequence[Part]) -> list[Part]:
    """Number names that come twice: ``rain_heavy_1`` may be of ``rain`` and of ``rain_heavy``."""
    prefixes = [f'{part.source.name}_' for part in parts]
    # Others cannot clash, and the names of a million pairs are then not gone through.
    if not any(one != other and one.startswith(other) for one in prefixes for other in prefixes):
        return list(parts)
    names = numbered([part.name(number) for part in parts for number in range(len(part.pairs))])
    ends = list(accumulate(len(part.pairs) for part in parts))
    return [
        replace(part, name=names[end - len(part.pairs) : end].__getitem__)
        for part, end in zip(parts, ends, strict=True)
    ]


class PairList(Pairs):
    """The pairs of all sources, one behind the other, each as often as it is repeated.

    Args:
        parts: Of the sources.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = _told_apart(parts)
        self.ends = list(accumulate(len(one.pairs) * one.source.repeat for one in self.parts))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def pair(self, number: int) -> ImagePair:
        """Take one from its part."""
        part, inner = self._place(number)
        return part.pairs[inner]

    def name(self, number: int) -> str:
        """Name a sample."""
        part, inner = self._place(number)
        return part.name(inner)

    def source(self, number: int) -> DataSource:
        """Give the source of a sample."""
        return self._place(number)[0].source

    def labels(self) -> np.ndarray:
        """Give the label of each sample, (N,) of text."""
        return np.concatenate([np.tile(one.labels(), one.source.repeat) for one in self.parts])

    def _place(self, number: int) -> tuple[Part, int]:
        number = self.at(number)
        at = bisect_right(self.ends, number)
        part = self.parts[at]
        start = self.ends[at - 1] if at else 0
        return part, (number - start) % len(part.pairs)
