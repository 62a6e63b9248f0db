"""Looking at the image files of a run before it starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch.utils.data import DataLoader

from irbox.datasets import PairedImageDataset
from irbox.datasets.file_facts import read_facts
from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.read_image import BadImageError
from irbox.engine.sections import loaders_by_place
from irbox.utils.shown import shown

SHOWN = 10


def check_files(loaders: DataLoader[Any] | Mapping[str, DataLoader[Any]], path: str) -> list[str]:
    """Look at every image file of a section once: is it there, whole, of a kind that is taken.

    Headers and ends of files are read, by many threads, and shared between the processes of a run.
    Damage in the middle is met when the file is decoded: of clean images by ``check_leaks``, of
    degraded ones when they are drawn.

    Args:
        loaders: Of the section: a loader, or one for each set, by its name.
        path: The section, for messages; bad files of ``train_dataloader`` may be skipped.

    Returns:
        A sentence for each set of which files will be skipped.

    Raises:
        BadImageError: Files cannot be used, and ``on_bad_sample`` is not ``skip``.
        ValueError: It is ``skip`` where every image counts.
    """
    training = path == 'train_dataloader'
    notes = []
    for place, loader in loaders_by_place(loaders, path).items():
        dataset = loader.dataset
        if not isinstance(dataset, PairedImageDataset):
            continue
        skip = dataset.on_bad_sample == 'skip'
        if skip and not training:
            raise ValueError(
                f'{place}.dataset.on_bad_sample: skip is for training. A score counts all images: '
                'take bad ones out of the set.'
            )
        if problem := _problems(dataset):
            text = f'{place}: {problem}'
            if not skip:
                remedy = ' In training, on_bad_sample: skip goes on without.' if training else ''
                raise BadImageError(f'{text} Replace them, or take the pairs out.{remedy}')
            notes.append(f'{text} Others of the same label are drawn in their place.')
    return notes


def _problems(dataset: PairedImageDataset) -> str:
    # What is packed was opened when it was.
    loose = [one.pairs for one in dataset.pairs.parts if not isinstance(one.pairs, PackedPairs)]
    pairs = dict.fromkeys(itertools.chain.from_iterable(loose))
    files = list(dict.fromkeys(path for pair in pairs for path in (pair.degraded, pair.clean)))
    facts = read_facts(files[get_rank() :: get_world_size()])
    own = [(shown(path), fact.problem) for path, fact in facts.items() if fact.problem]
    bad = sorted(itertools.chain.from_iterable(all_gather_object(own)))
    if not bad:
        return ''
    count = f'{len(bad):,} of {len(files):,} image files cannot be used'
    names = ', '.join(path for path, _ in bad[1:SHOWN])
    more = ', ...' if len(bad) > SHOWN else ''
    others = f' Then {names}{more}.' if names else ''
    return f'{count}. The first: {bad[0][1]}.{others}'
