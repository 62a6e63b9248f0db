"""Looking for test images among those that a training would learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from torch.utils.data import DataLoader

from irbox.datasets import PairedImageDataset
from irbox.datasets.fingerprints import Fingerprint, fingerprints
from irbox.datasets.looks import nearest
from irbox.datasets.read_image import BadImageError, open_image
from irbox.engine.sections import build_loaders, loaders_by_place
from irbox.utils.console import console
from irbox.utils.shown import shown

Leaks = Literal['refuse', 'warn', 'ignore']
"""What becomes of them: ``leaks`` of a config."""
ALIKE = 40
"""Bits of 256 in which copies differ at most (docs/datasets.md has the error rates)."""
# Files that take a minute or more, which a person should know of.
MANY = 2000
Loaders = DataLoader[Any] | Mapping[str, DataLoader[Any]]


def check_leaks(training: DataLoader[Any], config: Config, validation: Loaders) -> list[str]:
    """Compare the clean images of a training with those of its test and its validation.

    By how they look, or by their pixels where they show too little: copies that were resized or
    written anew are found, too.
    What was read is kept from run to run (``irbox.datasets.fingerprints``).

    Args:
        training: What would be trained on; only data sets of image files are compared.
        config: With ``test_dataloader``, whose files need not be there, and ``leaks``.
        validation: The validation's, built; copies of its images are only told of.

    Returns:
        Sentences for the log.

    Raises:
        BadImageError: Some cannot be decoded, and ``on_bad_sample`` is not ``skip``.
        ValueError: Test images would be trained on, and ``leaks`` is ``refuse``, the default.
    """
    what: Leaks = config.get('leaks') or 'refuse'
    ours = _clean_files(training)
    if what == 'ignore' or not ours:
        return []
    notes, sets = [], loaders_by_place(validation, 'val_dataloader')
    if config.get('test_dataloader') is not None:
        try:
            built = build_loaders(config, 'test_dataloader')
            sets |= loaders_by_place(built, 'test_dataloader')
        except (ValueError, OSError, ImportError) as error:
            notes.append(f'The test images are not at hand, so none was looked for: {error}')
    theirs = {place: files for place, loader in sets.items() if (files := _clean_files(loader))}
    if not theirs:
        return notes
    skipping = cast(PairedImageDataset, training.dataset).on_bad_sample == 'skip'
    known = _read([*ours, *(file for files in theirs.values() for file in files)])
    notes += _damaged({'train_dataloader': ours} | theirs, known, skipping)
    for place, files in theirs.items():
        copies = dict(_copies(ours, files, known))
        if not copies:
            continue
        one, other = next(iter(copies.items()))
        text = (
            f'{len(copies):,} of {len(ours):,} clean images of the training are images of {place}, '
            f'as they are or resized or written anew. The first: {shown(one)} is {shown(other)}.'
        )
        if place.startswith('test') and what == 'refuse':
            raise ValueError(
                f'train_dataloader: {text} Take them out (exclude_ids, exclude_ids_from or '
                'allow_list), or set leaks=warn for a published protocol that has them.'
            )
        notes.append(f'WARNING: {text}')
    return notes


def _damaged(
    files: Mapping[str, Sequence[Path]], known: Mapping[Path, Fingerprint], skipping: bool
) -> list[str]:
    """Tell of files that could not be decoded, which their headers do not show."""
    notes = []
    for place, paths in files.items():
        if not (bad := [path for path in paths if path not in known]):
            continue
        try:
            open_image(bad[0])
        except BadImageError as error:
            text = f'{place}: {len(bad):,} of {len(paths):,} clean images are damaged. {error}'
            if place != 'train_dataloader' or not skipping:
                raise BadImageError(text) from error
            notes.append(text)
    return notes


def _clean_files(loader: DataLoader[Any]) -> list[Path]:
    dataset = loader.dataset
    if not isinstance(dataset, PairedImageDataset):
        return []
    return list(dict.fromkeys(pair.clean for pair in dataset.pairs))


def _read(files: Sequence[Path]) -> dict[Path, Fingerprint]:
    """Share the work between the processes of a run."""
    files = list(dict.fromkeys(files))
    own, screen = files[get_rank() :: get_world_size()], console()
    told = len(files) > MANY and is_main_process()
    if told:
        screen.print(
            f'Comparing {len(files):,} clean images of training, validation and test: what was not '
            'read before is read once.'
        )
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not (told and screen.is_terminal)
    with Progress(*columns, console=screen, transient=True, disable=hidden) as bar:
        task = bar.add_task('', total=len(own))
        found = fingerprints(own, lambda number: bar.advance(task, number))
    return {path: known for part in all_gather_object(found) for path, known in part.items()}


def _copies(
    ours: Sequence[Path], theirs: Sequence[Path], known: Mapping[Path, Fingerprint]
) -> Iterator[tuple[Path, Path]]:
    """Give each of ours that is one of theirs, with one that it is."""
    ours, theirs = ([path for path in paths if path in known] for paths in (ours, theirs))
    same = {pixels: path for path in theirs if (pixels := known[path].pixels)}
    looks = {look: path for path in theirs if (look := known[path].look)}
    names = list(looks.values())
    seen = [path for path in ours if known[path].look]
    best = nearest([known[path].look for path in seen], list(looks), ALIKE)
    near = {path: names[number] for path, number in zip(seen, best, strict=True) if number >= 0}
    for path in ours:
        other = near.get(path) or same.get(known[path].pixels)
        if other is not None:
            yield path, other
