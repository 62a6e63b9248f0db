"""Sentences for the log about the images that a run is judged on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from irbox.datasets import PairedImageDataset
from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.pairs.file_pairs import FilePairs


def data_notes(loaders: DataLoader[Any] | Mapping[str, DataLoader[Any]]) -> list[str]:
    """Say for each set which it is, how many images it has, of what, and where they are.

    Args:
        loaders: A loader, or one for each set, by its name.
    """
    sets = loaders if isinstance(loaders, Mapping) else {'': loaders}
    return [_sentence(name, loader.dataset) for name, loader in sets.items()]


def training_warnings(dataset: Any, strict: bool = True) -> list[str]:
    """Say which images should not be trained on, and which counts are not as published.

    Args:
        dataset: Only sets of image files are looked at.
        strict: Refuse them (``strict_data`` of a config), but for counts of sources that themselves
            take images out.

    Raises:
        ValueError: It is ``strict``, and there is something to refuse.
    """
    if not isinstance(dataset, PairedImageDataset):
        return []
    wrong = [text for half in dataset.halves for text in half.objections(training=True)]
    wrong += dataset.differences
    if wrong and strict:
        raise ValueError(
            f'train_dataloader: {" ".join(wrong)} Name the right folder, or complete the set. A '
            'part of a set is named by allow_list or exclude_ids; --cfg-options strict_data=false '
            'trains on the images as they are.'
        )
    return [f'WARNING: {text}' for text in [*wrong, *dataset.chosen]]


def _sentence(name: str, dataset: Any) -> str:
    counts: Mapping[str, float] = getattr(dataset, 'task_counts', {})
    labels = ', '.join(f'{label} {round(count):,}' for label, count in counts.items())
    text = f'{name or "One set"}: {len(dataset):,} images'
    if labels:
        text += f' ({labels})'
    if isinstance(dataset, PairedImageDataset):
        return f'{text} in {_common(dataset)}'
    return f'{text} from {type(dataset).__name__}'


def _common(dataset: PairedImageDataset) -> str:
    folders = set[Path]()
    for part in dataset.pairs.parts:
        if isinstance(part.pairs, PackedPairs):
            folders.add(part.pairs.folder)
        elif isinstance(part.pairs, FilePairs):
            folders |= part.pairs.folders()
        else:
            folders.update(pair.degraded.parent for pair in part.pairs)
    return os.path.commonpath(folders)
