"""Clean images that stand beside no degraded one."""

from __future__ import annotations

from collections.abc import Iterator

from irbox.data_check.checked_set import CheckedSet
from irbox.data_check.finding import Finding, as_text
from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.pairs.image_folders import list_images


def check_unused(checked: CheckedSet) -> Iterator[Finding]:
    """Find clean images that no pair of a source has, unless the config leaves pairs out."""
    for source in checked.sources:
        if isinstance(source.pairs, PackedPairs):
            continue  # which holds what belongs to pairs alone
        if source.left_out or checked.given['sources'][source.name].get('only') is not None:
            continue
        used = {pair.clean for pair in source.pairs}
        folders = dict.fromkeys(path.parent for path in used)
        there = [folder / name for folder in folders for name in list_images(folder)]
        # A copy in another file type may stand beside the one that is used.
        stems = {(path.parent, path.stem) for path in used}
        unused = [path for path in there if (path.parent, path.stem) not in stems]
        if unused:
            yield Finding(
                'unmatched',
                f'{checked.place}, source {source.name}',
                f'{len(unused):,} of {len(there):,} clean images have no degraded one.',
                as_text(unused),
                serious=False,
            )
