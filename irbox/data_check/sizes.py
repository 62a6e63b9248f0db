"""Image sizes of a source, and which of them do not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from irbox.data_check.checked_set import CheckedSet
from irbox.data_check.finding import Finding, as_text
from irbox.datasets.file_facts import FileFacts
from irbox.datasets.pairs.data_source import DataSource
from irbox.datasets.pairs.pairs import ImagePair

Size = tuple[int, int]
Facts = Mapping[Path, FileFacts]


class SizeSummary(NamedTuple):
    """Width and height of the degraded images of a source; by area, where they are compared."""

    most_frequent: Size
    share: float
    """Of the images that have the most frequent size."""
    least: Size
    most: Size


def summarise(source: DataSource, facts: Facts) -> SizeSummary | None:
    """Sum up the sizes of a source's degraded images; None where none can be read."""
    sizes = Counter(
        size for pair in source.pairs if (size := facts[pair.degraded].size) is not None
    )
    if not sizes:
        return None
    size, count = sizes.most_common(1)[0]
    by_area = sorted(sizes, key=lambda one: (one[0] * one[1], one))
    return SizeSummary(size, count / sizes.total(), by_area[0], by_area[-1])


def check_sizes(checked: CheckedSet, facts: Facts) -> Iterator[Finding]:
    """Find what cannot be read, does not fit its partner, or is smaller than the patch."""
    for source in checked.sources:
        place = f'{checked.place}, source {source.name}'
        yield from _unreadable(place, source.pairs, facts)
        if not checked.given.get('resize'):
            yield from _mismatches(place, source.pairs, facts, checked.given)
        yield from _small(place, source, facts, checked.given)


def shown(size: Size) -> str:
    """Write a size as people do."""
    return f'{size[0]}x{size[1]}'


def _unreadable(place: str, pairs: Sequence[ImagePair], facts: Facts) -> Iterator[Finding]:
    files = dict.fromkeys(path for pair in pairs for path in (pair.degraded, pair.clean))
    broken = [path for path in files if facts[path].problem]
    if broken:
        yield Finding(
            'unreadable',
            place,
            f'{len(broken):,} of {len(files):,} files cannot be read. '
            f'The first: {facts[broken[0]].problem}.',
            as_text(broken),
            'Fetch them again, or take the pairs out.',
        )


def _mismatches(
    place: str, pairs: Sequence[ImagePair], facts: Facts, given: Mapping[str, Any]
) -> Iterator[Finding]:
    differ = []
    for pair in pairs:
        one, other = facts[pair.degraded].size, facts[pair.clean].size
        if one is not None and other is not None and one != other:
            differ.append(f'{pair.degraded} {shown(one)}, {pair.clean} {shown(other)}')
    if differ:
        policy = given.get('size_policy', 'error')
        serious = policy == 'error'
        yield Finding(
            'size',
            place,
            f'{len(differ):,} of {len(pairs):,} pairs differ in size'
            + ('.' if serious else f', which `size_policy: {policy}` takes care of.'),
            differ,
            'Set size_policy to center_crop_to_min or resize_clean_to_input.' if serious else '',
            serious,
        )


def _small(
    place: str, source: DataSource, facts: Facts, given: Mapping[str, Any]
) -> Iterator[Finding]:
    patch = given.get('patch_size')
    if patch is None:
        return
    resize = given.get('resize')
    side = patch + 2 * sum(getattr(step, 'margin', 0) for step in source.chain)
    small = [
        f'{pair.degraded} {shown(size)}'
        for pair in source.pairs
        if (size := facts[pair.degraded].size) is not None and min(resize or size) < side
    ]
    if small:
        yield Finding(
            'small',
            place,
            f'{len(small):,} of {len(source.pairs):,} images are smaller than the crops of {side}; '
            f'`small_images: {given.get("small_images", "reflect_pad")}` takes care of them.',
            small,
            serious=False,
        )
