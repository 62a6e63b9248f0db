"""From what a user names to the files that are read and written: all decided before the start."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from irbox.pictures import suffix_of
from irbox.restore.batch.check_targets import (
    SHEET,
    Existing,
    check_targets,
    place,
    what_is_left,
)
from irbox.restore.batch.done_list import DoneList, shard
from irbox.restore.batch.find_pictures import Found, find_pictures, first_bytes
from irbox.restore.batch.job import STANDARD_STREAM, Job

SUFFIX = '_restored'
"""Put behind the name of a picture whose answer stands beside it."""


@dataclass
class Listing:
    """The jobs of a call, and what a user should know of what is not among them."""

    everything: list[Job] = field(default_factory=list)
    """Whatever its state: what several processes divide among them, so that all see the same."""
    jobs: list[Job] = field(default_factory=list)
    """What is left to do."""
    skipped: list[Job] = field(default_factory=list)
    """Targets that exist and are kept."""
    done: list[Job] = field(default_factory=list)
    """What an earlier run of the same settings has finished."""
    notes: list[str] = field(default_factory=list)


def list_jobs(
    inputs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    suffix: str | None = None,
    extension: str | None = None,
    recursive: bool = False,
    existing: Existing = 'refuse',
    extensions: Collection[str],
    done_list: DoneList | None = None,
    sheets: bool = False,
    process: tuple[int, int] = (0, 1),
) -> Listing:
    """Decide which files become which.

    Args:
        inputs: Files, folders, glob patterns, or ``-`` for standard input.
        out: A file for one picture, a folder for several (trees are kept below it), or ``-`` for
            standard output. By default an answer stands beside its source.
        suffix: Put behind each name; ``_restored`` by default where no folder is given.
        extension: Of the targets, such as ``.png``; by default the source's, or where its content
            is of another format that one's.
        recursive: Enter the folders inside of folders.
        existing: What becomes of targets that exist.
        extensions: File name extensions of pictures, in lower case, that are looked for in folders.
        done_list: What an earlier run has finished or begun; its answers may be there.
        sheets: Whether a sheet is written beside each answer, see ``sheet_of``.
        process: Which of several processes this is, and of how many. Each looks only at the
            places of its own answers, since the others may be at work already.

    Returns:
        The jobs in the order of the inputs, each source once.

    Raises:
        FileNotFoundError: An input does not exist, a pattern matches nothing.
        ValueError: There is nothing to do, or two answers would get one name.
        FileExistsError: A target exists, or is one of the sources, and may not be overwritten.
    """
    listing = Listing()
    if [str(named) for named in inputs] == ['-']:
        listing.jobs = [Job(STANDARD_STREAM, Path(out) if out is not None else STANDARD_STREAM)]
        return _with_what_is_left(listing, existing, done_list, sheets, process)
    if '-' in map(str, inputs):
        raise ValueError('- (standard input) is one picture and stands alone.')
    folder, suffix = _where(inputs, out, suffix)
    pictures: dict[Path, Found] = {}
    answers = 0
    for named in inputs:
        for entry in find_pictures(str(named), recursive, extensions, listing.notes, folder):
            if folder is None and _is_own_answer(entry.source, suffix, extensions):
                answers += 1
            else:
                # A link in a circle has no real path; it gets its message when it is opened.
                pictures.setdefault(Path(os.path.realpath(entry.source)), entry)
    if answers:
        listing.notes.append(
            f'{answers} {_pictures(answers)} ending in {suffix!r} beside the original: passed over '
            'as answers of an earlier run.'
        )
    if not pictures:
        listed = ', '.join(map(str, inputs))
        raise ValueError(' '.join([f'There is no picture to restore in {listed}.', *listing.notes]))
    if str(out) == '-':
        if len(pictures) > 1:
            raise ValueError(f'--out - takes one picture, and there are {len(pictures)}.')
        listing.jobs = listing.everything = [
            Job(picture.source, STANDARD_STREAM) for picture in pictures.values()
        ]
        return listing
    single = Path(out) if out is not None and folder is None else None
    for picture in pictures.values():
        target = single or _target(picture, folder, suffix, extension)
        listing.jobs.append(Job(picture.source, target))
    return _with_what_is_left(listing, existing, done_list, sheets, process)


def names_a_file(inputs: Sequence[str | Path], out: str | Path | None) -> bool:
    """Tell whether ``out`` is the name of a single answer, and not of a folder."""
    if out is None or str(out) == '-' or Path(out).is_dir():
        return False
    if [str(one) for one in inputs] == ['-']:
        return True
    return len(inputs) == 1 and bool(Path(out).suffix) and Path(inputs[0]).is_file()


def _where(
    inputs: Sequence[str | Path], out: str | Path | None, suffix: str | None
) -> tuple[Path | None, str]:
    """The folder of the answers, None for beside the sources or a single file; the suffix."""
    if out is None:
        if suffix == '':
            # Beside the source and under its name: the source itself.
            return None, ''
        return None, SUFFIX if suffix is None else suffix
    path = Path(out)
    if str(out) == '-' or names_a_file(inputs, out):
        return None, suffix or ''
    if path.exists() and not path.is_dir():
        raise ValueError(f'--out {path} is a file, and several pictures need a folder.')
    return path, suffix or ''


def _is_own_answer(source: Path, suffix: str, extensions: Collection[str]) -> bool:
    """Whether a file is the answer to another that stands beside it, or a sheet of one."""
    stem = source.stem.removesuffix(SHEET)
    if not suffix or not stem.endswith(suffix):
        return False
    stem = stem.removesuffix(suffix)
    return any(source.with_name(f'{stem}{end}').exists() for end in (source.suffix, *extensions))


def _target(one: Found, folder: Path | None, suffix: str, extension: str | None) -> Path:
    near = folder / one.tree if folder is not None else one.source
    # A file may be of another format than its name says; its answer gets a name that is true.
    end = extension or suffix_of(first_bytes(one.source), near.suffix)
    return near.with_name(f'{near.stem}{suffix}{end}')


def _with_what_is_left(
    listing: Listing,
    existing: Existing,
    done_list: DoneList | None,
    sheets: bool,
    process: tuple[int, int],
) -> Listing:
    """Sort the jobs of a process into what is to be done, was done, and is kept."""
    listing.everything = listing.jobs
    check_targets(listing.everything, sheets)
    inputs = {place(job.source) for job in listing.jobs if job.source != STANDARD_STREAM}
    piles: dict[str, list[Job]] = {'to do': [], 'skipped': listing.skipped, 'done': listing.done}
    for job in shard(listing.everything, *process):
        piles[what_is_left(job, existing, done_list, inputs, sheets)].append(job)
    listing.jobs = piles['to do']
    return listing


def _pictures(count: int) -> str:
    return 'picture' if count == 1 else 'pictures'
