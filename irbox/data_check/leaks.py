"""Training files that are test files as well, and files that a set has twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from irbox.data_check.checked_set import CheckedSet
from irbox.data_check.equal_files import Groups, equal_files
from irbox.data_check.finding import Finding
from irbox.datasets.file_facts import FileFacts

Roles = dict[Path, set[tuple[int, str]]]


def check_contents(
    sets: Sequence[CheckedSet], facts: Mapping[Path, FileFacts]
) -> Iterator[Finding]:
    """Compare the contents of files: between training and test sets, and within each set.

    Clean images may be the same within a set: one stands beside several degraded ones.
    """
    roles = _roles(sets)

    def matters(paths: Sequence[Path]) -> bool:
        degraded: Counter[int] = Counter()
        sides = set()
        for path in paths:
            sides |= {sets[number].training for number, _ in roles[path]}
            degraded.update(number for number, role in roles[path] if role == 'degraded')
        return len(sides) > 1 or max(degraded.values(), default=0) > 1

    groups = equal_files(facts, matters)
    # A file that stands in both is a copy of itself.
    alone = [[path] for path in facts if len({sets[n].training for n, _ in roles[path]}) > 1]
    yield from _leaks(sets, roles, [*groups, *alone])
    yield from _copies(sets, roles, groups)
    for checked in sets:
        yield from _listed_twice(checked)


def _roles(sets: Sequence[CheckedSet]) -> Roles:
    """Tell what each file is in which set."""
    roles: Roles = defaultdict(set)
    for number, checked in enumerate(sets):
        for source in checked.sources:
            for pair in source.pairs:
                roles[pair.degraded].add((number, 'degraded'))
                roles[pair.clean].add((number, 'clean'))
    return roles


def _leaks(sets: Sequence[CheckedSet], roles: Roles, groups: Groups) -> Iterator[Finding]:
    shared: dict[tuple[int, int], dict[tuple[str, ...], str]] = defaultdict(dict)
    for group in groups:
        places: dict[int, Path] = {}
        for path in group:
            for number, _ in roles[path]:
                places.setdefault(number, path)
        for train in (number for number in places if sets[number].training):
            role = 'degraded' if (train, 'degraded') in roles[places[train]] else 'clean'
            for test in (number for number in places if not sets[number].training):
                one, other = places[train], places[test]
                same = tuple(dict.fromkeys((str(one), str(other))))
                shared[train, test][same] = role
    for (train, test), files in shared.items():
        roles_of = Counter(files.values())
        counts = ' and '.join(f'{count:,} {role}' for role, count in sorted(roles_of.items()))
        yield Finding(
            'leak',
            sets[train].place,
            f'{counts} training images are images of {sets[test].place}, too.',
            list(files),
            'Take their pairs out of the training set: exclude_copies_of (for degraded images), '
            'exclude_ids, exclude_ids_from or allow_list do so.',
        )


def _copies(sets: Sequence[CheckedSet], roles: Roles, groups: Groups) -> Iterator[Finding]:
    for number, checked in enumerate(sets):
        copies = []
        for group in groups:
            own = tuple(str(path) for path in group if (number, 'degraded') in roles[path])
            if len(own) > 1:
                copies.append(own)
        if copies:
            yield Finding(
                'duplicate',
                checked.place,
                f'{len(copies):,} degraded images are there more than once.',
                copies,
                'Take all but one of each away.',
            )


def _listed_twice(checked: CheckedSet) -> Iterator[Finding]:
    """Find sources that overlap; those that degrade an image in other ways do not."""
    seen: dict[tuple[Path, str], dict[str, None]] = defaultdict(dict)
    for source in checked.sources:
        for pair in source.pairs:
            seen[pair.degraded, source.recipe][source.name] = None
    twice = {path: list(names) for (path, _), names in seen.items() if len(names) > 1}
    if twice:
        names = dict.fromkeys(name for names in twice.values() for name in names)
        yield Finding(
            'duplicate',
            checked.place,
            f'{len(twice):,} images stand in several sources: {", ".join(names)}.',
            [str(path) for path in twice],
            'Draw an image more often with `repeat` or `weights`, not by naming it twice.',
        )
