"""Whose the files of a work dir are: a run touches none that is another's."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from irbox.engine.shards import check_shards
from irbox.utils.files import rename, write_text
from irbox.utils.weights import few, read_weights

RECORD = 'run.json'
CHECKPOINT = re.compile(r'iter_(\d+)\.pth')
NUMBER = re.compile(r'iter_(\d+)\.')
STARTS = 3
"""After the same iteration, each ended by something else than the training: the next is refused."""
# What shows that a training was here, by its name alone, and what else it leaves.
TRAINED = re.compile(r'(iter_\d+|best_.+_iter_\d+|final.*)\.(pth|safetensors|shards)')
LEFT = re.compile(
    r'run\.json|config\.yaml|last_checkpoint|(skipped|bad_samples)\.jsonl|'
    r'diverged_iter_\d+\.pt|\d{8}_\d{6}|results\.json|table\.(txt|csv|json|tex)'
)


def new_identity() -> str:
    """Give a name that no other run has."""
    return uuid.uuid4().hex


def identity_of(checkpoint: Mapping[str, Any]) -> str:
    """Tell of which run a checkpoint is; '' for those that older versions wrote."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    return str(meta.get('run', '')) if isinstance(meta, Mapping) else ''


def is_of(path: Path, identity: str) -> bool:
    """Tell whether a file can be read and is of a run."""
    try:
        return identity_of(read_weights(path, mapped=True)) == identity
    except (OSError, ValueError):
        return False


def newest_checkpoint(folder: str | Path) -> Path | None:
    """Find the checkpoint of the latest iteration that is whole, of the run that the folder is of.

    mmengine's ``last_checkpoint`` is not asked: it holds an absolute path, and after a crash it may
    name a file that is damaged or gone.

    Returns:
        A file, or None where no training has left anything yet. A damaged file is passed over, and
        said.

    Raises:
        OSError: The folder cannot be listed, or a file in it cannot be opened: it may be the best.
        ValueError: There are files of a training, but none can be used.
    """
    folder = Path(folder)
    numbered, record = _numbered(folder), _record(folder)
    left = _trained(folder)
    remedy = 'Name one with --resume FILE; without --resume they are set aside.'
    if not left:
        return None
    if not numbered:
        raise ValueError(f'{folder} has {few(left)}, but no iter_*.pth to go on from. {remedy}')
    problems: list[str] = []

    def usable(path: Path, mapped: bool) -> bool:
        try:
            content = read_weights(path, mapped=mapped)
            check_shards(content, path)
            runs[path] = identity_of(content)
        except ValueError as error:
            problems.append(str(error))
            print_log(f'{error} It is passed over.', 'current', logging.WARNING)
            return False
        return True

    # What is in a file is told by its end; all of it is read only of the one that is taken.
    runs: dict[Path, str] = {}
    paths = [path for _, path in numbered if usable(path, mapped=True)]
    if record is None and len(set(runs.values())) > 1:
        raise ValueError(f'{folder} has checkpoints of several runs. {remedy}')
    ours = [path for path in paths if record in (None, runs[path])]
    found = next((path for path in ours if usable(path, mapped=False)), None)
    if found is None:
        why = problems[0] if problems else f'they are not of the run of {folder / RECORD}.'
        raise ValueError(f'None of {len(numbered)} checkpoints in {folder}: {why} {remedy}')
    return found


def claim(folder: str | Path, identity: str, iteration: int, config: str) -> Mapping[Path, Path]:
    """Make a folder that of a run: what is of another, or later than it begins, is set aside.

    Args:
        folder: The work dir.
        identity: Of the run.
        iteration: The one that it begins after.
        config: What it was started with, for the record.

    Returns:
        Where files went: old path -> new path, in a folder ``previous-N``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = _names(folder)
    trained = _trained(folder)
    files = {name: folder / re.sub(r'\.shards$', '.pth', name) for name in trained}
    ours = {name for name in trained if iteration and is_of(files[name], identity)}
    numbers = {name: NUMBER.search(name) for name in trained}
    later = {name for name, found in numbers.items() if found and int(found[1]) > iteration}
    foreign = [name for name in trained if name not in ours or name in later]
    moved = list(foreign)
    if foreign and not ours:
        moved += [name for name in names if LEFT.fullmatch(name)]
    aside = _free_name(folder)
    went = {folder / name: aside / name for name in moved}
    starts = [] if folder / RECORD in went else _unfinished(folder)
    if went:
        aside.mkdir()
        if folder / RECORD in went:
            # First: a kill in between leaves what is still here to a run of its own.
            rename(folder / RECORD, aside / RECORD)
    started = time.strftime('%Y-%m-%d %H:%M:%S')
    unfinished = [*starts[1 - STARTS :], iteration]
    record = {'run': identity, 'config': config, 'started': started, 'unfinished': unfinished}
    write_text(folder / RECORD, json.dumps(record, indent=2))
    for old, new in went.items():
        if old.name != RECORD:
            rename(old, new)
    return went


def check_progress(folder: str | Path, checkpoint: Path | None) -> None:
    """Refuse a start that would most likely end as the latest ones did.

    Raises:
        ValueError: The latest ``STARTS`` began after the same iteration and ended without a word.
    """
    found = CHECKPOINT.fullmatch(checkpoint.name) if checkpoint else None
    iteration = int(found[1]) if found else 0
    starts = _unfinished(Path(folder))
    if starts[-STARTS:] == [iteration] * STARTS:
        remedy = f'give --resume {checkpoint}' if checkpoint else 'leave --resume out'
        raise ValueError(
            f'The latest {STARTS} starts in {folder} went on after iteration {iteration} and were '
            'ended before the next checkpoint. Look into their logs for the reason; then '
            f'{remedy} to try again, or save more often.'
        )


def note_end(folder: str | Path) -> None:
    """Note that the training of a folder ended by itself, or was told to."""
    path = Path(folder, RECORD)
    content = json.loads(path.read_text(encoding='utf-8')) | {'unfinished': []}
    write_text(path, json.dumps(content, indent=2))


def note_refusal(folder: str | Path) -> None:
    """Note that the latest start in a folder was somebody's mistake: it does not count."""
    path = Path(folder, RECORD)
    content = json.loads(path.read_text(encoding='utf-8'))
    write_text(path, json.dumps(content | {'unfinished': content['unfinished'][:-1]}, indent=2))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise type(error)(f'The folder {folder} cannot be listed: {error.strerror}.') from error


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    found = [CHECKPOINT.fullmatch(name) for name in _names(folder)]
    return sorted(((int(one[1]), folder / one[0]) for one in found if one), reverse=True)


def _trained(folder: Path) -> list[str]:
    """List what shows that a training was here: final weights of its run have any name."""
    try:
        run = _record(folder)
    except ValueError:
        run = None
    return [
        name
        for name in _names(folder)
        if TRAINED.fullmatch(name) or (run and name.endswith('.pth') and is_of(folder / name, run))
    ]


def _record(folder: Path) -> str | None:
    """Tell which run a folder says to be of; None where it says nothing."""
    content = _content(folder)
    return None if content is None else str(content['run'])


def _unfinished(folder: Path) -> list[Any]:
    """List the iterations after which starts began that did not end by themselves."""
    return list((_content(folder) or {}).get('unfinished') or [])


def _content(folder: Path) -> Mapping[str, Any] | None:
    try:
        content: Mapping[str, Any] = json.loads((folder / RECORD).read_text(encoding='utf-8'))
        content['run']
        return content
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f'{folder / RECORD} is damaged. Delete it.') from error


def _free_name(folder: Path) -> Path:
    names = (folder / f'previous-{number}' for number in itertools.count(1))
    return next(path for path in names if not path.exists())
