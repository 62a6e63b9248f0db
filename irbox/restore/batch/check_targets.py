"""What answers may not do: meet each other, an input, or what is there already."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from irbox.restore.batch.done_list import DoneList, State
from irbox.restore.batch.job import STANDARD_STREAM, Job

SHEET = '_compare'
"""Put behind the name of an answer whose sheet stands beside it."""
LONGEST = 255
"""Bytes of a file's name that file systems hold."""

Existing = Literal['refuse', 'overwrite', 'skip']
Left = Literal['to do', 'skipped', 'done']


def sheet_of(target: Path) -> Path:
    """Name the sheet that ``--compare`` writes beside an answer."""
    return target.with_name(f'{target.stem}{SHEET}.png')


def check_targets(jobs: Sequence[Job], sheets: bool) -> None:
    """Refuse answers that would meet each other or an input, whatever may be overwritten.

    Args:
        jobs: All of a call.
        sheets: Whether a sheet is written beside each answer.

    Raises:
        ValueError: Two files would get one name, an answer would replace an input of another, a
            name is too long or is that of a folder.
    """
    writers: dict[str, list[tuple[Path, Job]]] = defaultdict(list)
    for job in jobs:
        for path in _written(job, sheets):
            writers[place(path)].append((path, job))
    readers = {place(job.source): job for job in jobs if job.source != STANDARD_STREAM}
    for key, several in writers.items():
        path, job = several[0]
        if len(several) > 1:
            names = ' and '.join(dict.fromkeys(str(one.source) for _, one in several[:3]))
            raise ValueError(
                f'{names} would both be written to {path}. Restore them into folders of their own, '
                'or keep their formats.'
            )
        other = readers.get(key)
        if other is not None and (other is not job or path != job.target):
            raise ValueError(
                f'{path} is an input, and what is written for {job.source} would replace it. '
                'Choose another --out or --suffix.'
            )
        if len(os.fsencode(path.name)) > LONGEST:
            raise ValueError(
                f'The name of the answer to {job.source} is too long: {len(os.fsencode(path.name))}'
                f' bytes, and file systems hold {LONGEST}. Give a shorter --suffix, or --out.'
            )
        if path.is_dir():
            raise ValueError(
                f'{path}, where the answer to {job.source} would go, is a folder. Give the name of '
                'a file in it, or another --out.'
            )


def what_is_left(
    job: Job, existing: Existing, done_list: DoneList | None, inputs: set[str], sheets: bool
) -> Left:
    """Tell whether a job is to be done, by what stands at its place.

    Args:
        job: Of ``check_targets``.
        existing: What becomes of answers that exist.
        done_list: What an earlier run has finished or begun; its answers may be there.
        inputs: Places of all sources.
        sheets: Whether a sheet is written, too.

    Raises:
        FileExistsError: Something stands there and may not be overwritten.
    """
    state = done_list.state(job) if done_list is not None else None
    there = next((path for path in _written(job, sheets) if path.exists()), None)
    is_input = there is not None and place(there) in inputs
    return judge(there, state, existing, is_answer=there == job.target, is_input=is_input)


def judge(
    there: object | None,
    state: State | None,
    existing: Existing,
    *,
    is_answer: bool = True,
    is_input: bool = False,
) -> Left:
    """Tell whether an answer is to be made; the one rule for files and for addresses.

    Args:
        there: Path or address of what stands at its place; None for nothing.
        state: How far an earlier run had come with it.
        existing: What becomes of answers that exist.
        is_answer: It is the answer, not what stands beside it.
        is_input: It is an input, too.

    Raises:
        FileExistsError: Something stands there and may not be overwritten.
    """
    if there is None or state == 'begun':
        return 'to do'
    if state == 'done' and is_answer:
        return 'done'
    if existing == 'overwrite':
        return 'to do'
    if is_input:
        raise FileExistsError(
            f'{there} is an input. Choose --out or --suffix, or add --overwrite to replace it.'
        )
    if existing == 'skip' and is_answer:
        return 'skipped'
    raise FileExistsError(
        f'{there} exists. Add --overwrite to replace it, --skip-existing to keep it, '
        'or choose --out.'
    )


def place(path: Path) -> str:
    """Name a place in the file system by one name, whatever links lead to its folder."""
    return os.path.join(os.path.realpath(path.parent), path.name)


def _written(job: Job, sheets: bool) -> Iterator[Path]:
    if job.target != STANDARD_STREAM:
        yield job.target
        if sheets:
            yield sheet_of(job.target)
