"""From what a user names to the files that are read and written: all decided before the start."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from irbox.restore.batch.done_list import DoneList
from irbox.restore.batch.job import STANDARD_STREAM, Job

SUFFIX = '_restored'
"""Put behind the name of a picture whose answer stands beside it."""
SHEET = '_compare'
"""Put behind the name of an answer whose sheet stands beside it."""

Existing = Literal['refuse', 'overwrite', 'skip']


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


@dataclass(frozen=True)
class _Found:
    source: Path
    tree: Path
    """Where the source stands in the tree that was named; only its name for a single file."""


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
) -> Listing:
    """Decide which files become which.

    Args:
        inputs: Files, folders, glob patterns, or ``-`` for standard input.
        out: A file for one picture, a folder for several (trees are kept below it), or ``-`` for
            standard output. By default an answer stands beside its source.
        suffix: Put behind each name; ``_restored`` by default where no folder is given.
        extension: Of the targets, such as ``.png``; the source's by default.
        recursive: Enter the folders inside of folders.
        existing: What becomes of targets that exist.
        extensions: File name extensions of pictures, in lower case, that are looked for in folders.
        done_list: What an earlier run has finished or begun; its answers may be there.

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
        _check_targets(listing, existing, done_list)
        return listing
    if '-' in map(str, inputs):
        raise ValueError('- (standard input) is one picture and stands alone.')
    folder, suffix = _where(inputs, out, suffix)
    pictures: dict[Path, _Found] = {}
    answers = 0
    for named in inputs:
        for entry in _find(str(named), recursive, extensions, listing.notes):
            if folder is None and _is_own_answer(entry.source, suffix, extensions):
                answers += 1
            else:
                pictures.setdefault(entry.source.resolve(), entry)
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
    _check_targets(listing, existing, done_list)
    return listing


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
    one_file = len(inputs) == 1 and Path(inputs[0]).is_file()
    if str(out) == '-' or (one_file and path.suffix and not path.is_dir()):
        return None, suffix or ''
    if path.is_file():
        raise ValueError(f'--out {path} is a file, and several pictures need a folder.')
    return path, suffix or ''


def _find(
    text: str, recursive: bool, extensions: Collection[str], notes: list[str]
) -> Iterator[_Found]:
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _walk(path, recursive, extensions, notes)
    elif path.exists() or path.is_symlink():
        yield _Found(path, Path(path.name))
    elif glob.has_magic(text):
        matches = sorted(Path(one) for one in glob.glob(str(path), recursive=True))
        files = [one for one in matches if one.is_file() and one.suffix.lower() in extensions]
        if not files:
            raise FileNotFoundError(f'No picture matches {text}.')
        fixed = Path(*_fixed_parts(path))
        yield from (_Found(one, one.relative_to(fixed)) for one in files)
    else:
        near = sorted(one.name for one in path.parent.glob(f'{path.stem}*'))[:3]
        hint = f' {path.parent} has {", ".join(near)}.' if near else ''
        raise FileNotFoundError(f'{path} does not exist.{hint}')


def _fixed_parts(pattern: Path) -> Iterator[str]:
    """Leading parts of a pattern's folder that hold no wild card."""
    for part in pattern.parent.parts:
        if glob.has_magic(part):
            return
        yield part


def _walk(
    folder: Path, recursive: bool, extensions: Collection[str], notes: list[str]
) -> Iterator[_Found]:
    """Pictures in a folder; links are followed, each real folder once, so that loops end."""
    entered, others, closed = {folder.resolve()}, 0, 0
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        if recursive:
            fresh = [name for name in sorted(folders) if not name.startswith('.')]
            folders[:] = [n for n in fresh if (Path(place, n).resolve()) not in entered]
            entered.update(Path(place, name).resolve() for name in folders)
        else:
            closed, folders[:] = len(folders), []
        for name in sorted(files):
            source = Path(place, name)
            if name.startswith('.'):
                continue
            if source.suffix.lower() in extensions:
                yield _Found(source, source.relative_to(folder))
            else:
                others += 1
    if closed:
        notes.append(f'{folder}: {closed} folder(s) inside were not entered. Add --recursive.')
    if others:
        notes.append(f"{folder}: {others} file(s) whose names are no picture's were passed over.")


def _refuse(error: OSError) -> None:
    raise error


def _is_own_answer(source: Path, suffix: str, extensions: Collection[str]) -> bool:
    """Whether a file is the answer to another that stands beside it, or a sheet of one."""
    stem = source.stem.removesuffix(SHEET)
    if not suffix or not stem.endswith(suffix):
        return False
    stem = stem.removesuffix(suffix)
    return any(source.with_name(f'{stem}{end}').exists() for end in (source.suffix, *extensions))


def _target(one: _Found, folder: Path | None, suffix: str, extension: str | None) -> Path:
    place = folder / one.tree if folder is not None else one.source
    return place.with_name(f'{place.stem}{suffix}{extension or place.suffix}')


def _check_targets(listing: Listing, existing: Existing, done_list: DoneList | None) -> None:
    """Refuse answers that would meet each other, a source, or what is there already."""
    meeting: dict[str, list[Job]] = defaultdict(list)
    for job in listing.jobs:
        meeting[os.path.abspath(job.target)].append(job)
    for several in meeting.values():
        if len(several) > 1:
            names = ' and '.join(str(job.source) for job in several[:3])
            raise ValueError(
                f'{names} would both be written to {several[0].target}. Restore them into folders '
                'of their own, or keep their formats.'
            )
    listing.everything = list(listing.jobs)
    originals = {job.source.resolve() for job in listing.jobs if job.source != STANDARD_STREAM}
    kept = []
    for job in listing.jobs:
        state = done_list.state(job) if done_list is not None else None
        if job.target == STANDARD_STREAM or not job.target.exists() or state == 'begun':
            kept.append(job)
        elif state == 'done':
            listing.done.append(job)
        elif existing == 'overwrite':
            kept.append(job)
        elif job.target.resolve() in originals:
            raise FileExistsError(
                f'{job.target} is an input. Choose --out or --suffix, or add --overwrite to '
                'replace it.'
            )
        elif existing == 'skip':
            listing.skipped.append(job)
        else:
            raise FileExistsError(
                f'{job.target} exists. Add --overwrite to replace it, --skip-existing to keep it, '
                'or choose --out.'
            )
    listing.jobs = kept


def _pictures(count: int) -> str:
    return 'picture' if count == 1 else 'pictures'
