"""From what a user names to pictures: in folders, archives and lists, here and at addresses."""

from __future__ import annotations

import glob
import os
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from irbox.pictures import EXTENSIONS, suffix_of
from irbox.restore.batch.check_targets import Existing, judge
from irbox.restore.batch.done_list import DoneList
from irbox.restore.batch.find_pictures import HEAD, first_bytes
from irbox.restore.batch.list_jobs import list_jobs
from irbox.restore.cluster.addresses import heads_of, is_address, join, open_system
from irbox.restore.cluster.item import Item
from irbox.utils.optional import require

SOURCE, TARGET = ('source', 'path', 'url'), 'target'
"""Columns of a list: the first of these that is there, and the name of the answer below --out."""


@dataclass
class Items:
    """The pictures of a call."""

    left: list[Item] = field(default_factory=list)
    """To be done."""
    skipped: list[Item] = field(default_factory=list)
    """With an answer that exists and is kept."""
    notes: list[str] = field(default_factory=list)


def list_items(
    inputs: Sequence[str],
    out: str,
    *,
    recursive: bool = False,
    suffix: str | None = None,
    extension: str | None = None,
    existing: Existing = 'refuse',
    done_list: DoneList | None = None,
) -> Items:
    """Decide which pictures become which files.

    Args:
        inputs: Files, folders, patterns and addresses of these; ``.tar`` archives of pictures;
            ``.parquet`` lists with a column ``source`` and, if answers are to have names of their
            own, ``target``.
        out: A folder, or the address of one.
        recursive: Enter the folders inside of folders.
        suffix: Put behind each name.
        extension: Of the answers, such as ``.png``; by default that of the source.
        existing: What becomes of answers that exist.
        done_list: What an earlier start has finished.

    Raises:
        ValueError: Nothing is there, or two answers would get one name.
        OSError: Something does not exist, or an answer does and may not be replaced.
    """
    items = Items()
    plain = [] if is_address(out) else [one for one in inputs if not _is_special(one)]
    if plain:
        listing = list_jobs(
            plain,
            out,
            suffix=suffix,
            extension=extension,
            recursive=recursive,
            existing=existing,
            extensions=EXTENSIONS,
            done_list=done_list,
        )
        items.notes += listing.notes
        items.left += [Item(str(job.source), str(job.target)) for job in listing.jobs]
        items.skipped += [
            Item(str(job.source), str(job.target)) for job in (*listing.skipped, *listing.done)
        ]
    found = [
        _named(one, out, suffix or '', extension)
        for text in inputs
        if text not in plain
        for one in _find(text, recursive, extension is None)
    ]
    answers = _answers(out) if found and is_address(out) else None
    for item in found:
        exists = os.path.exists(item.target) if answers is None else item.target in answers
        state = None if done_list is None else done_list.state(item)
        left = judge(item.target if exists else None, state, existing)
        (items.left if left == 'to do' else items.skipped).append(item)
    _check_names([*items.left, *items.skipped])
    return items


def _is_special(text: str) -> bool:
    return is_address(text) or text.lower().endswith(('.tar', '.parquet'))


def _check_names(items: Sequence[Item]) -> None:
    if not items:
        raise ValueError('There is no picture to restore in what was named.')
    writers: dict[str, Item] = {}
    for item in items:
        other = writers.setdefault(item.key[1], item)
        if other is not item:
            raise ValueError(
                f'{other.name} and {item.name} would both be written to {item.target}. Restore '
                'them into folders of their own.'
            )


def _named(item: Item, out: str, suffix: str, extension: str | None) -> Item:
    """Turn a name below the folder of the answers into the whole."""
    stem, end = posixpath.splitext(item.target)
    parts = Path(item.target).parts
    if '..' in parts or item.target.startswith('/'):
        raise ValueError(
            f'{item.name}: its answer would go to {item.target}, outside of {out}. Rename it.'
        )
    return replace(item, target=join(out, f'{stem}{suffix}{extension or end}'))


def _find(text: str, recursive: bool, keeps: bool) -> Iterator[Item]:
    """Pictures, each with the name of its answer below the folder of the answers.

    Where the answer ``keeps`` the format, what each file begins with names it.
    """
    lower = text.lower()
    if lower.endswith('.tar'):
        yield from _in_archive(text)
    elif lower.endswith('.parquet'):
        yield from _in_list(text, keeps)
    else:
        yield from _at_address(text, recursive, keeps)


def _in_archive(text: str) -> Iterator[Item]:
    system, path = open_system(text)
    folder = posixpath.splitext(posixpath.basename(path))[0]
    try:
        with system.open(path, 'rb') as file, tarfile.open(fileobj=file, mode='r:') as archive:
            for member in archive:
                end = posixpath.splitext(member.name)[1]
                if not member.isreg() or end.lower() not in EXTENSIONS:
                    continue
                part: Any = archive.extractfile(member)
                target = posixpath.join(folder, _true(member.name, part.read(HEAD)))
                yield Item(text, target, member.name, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise ValueError(
            f'{text} is damaged, or no plain .tar archive ({error}). Pack it anew, and without '
            'compression: of a compressed one no part can be read by itself.'
        ) from error


def _in_list(text: str, keeps: bool) -> Iterator[Item]:
    parquet = require('pyarrow.parquet', package='pyarrow', needed_by=f'The list {text}')
    system, path = open_system(text)
    with system.open(path, 'rb') as file:
        columns = parquet.read_schema(file).names
        column = next((one for one in SOURCE if one in columns), None)
        if column is None:
            raise ValueError(
                f'{text} has the columns {", ".join(columns)}, and none that names pictures: '
                f'{", ".join(SOURCE)}.'
            )
        wanted = [column, TARGET] if TARGET in columns else [column]
        table = parquet.read_table(file, columns=wanted)
    texts = {name: table.column(name).to_pylist() for name in wanted}
    for name, values in texts.items():
        for row, value in enumerate(values, 1):
            if not isinstance(value, str) or not value:
                raise ValueError(
                    f'{text}: {name} of row {row} is {value!r}. It must be a name: leave the row '
                    'out, or fill it in.'
                )
    sources = texts[column]
    targets = texts.get(TARGET, map(posixpath.basename, sources))
    heads = heads_of([one for one in sources if keeps and is_address(one)], HEAD)
    for source, target in zip(sources, targets, strict=True):
        if keeps:
            head = next(heads) if is_address(source) else first_bytes(Path(source))
            target = _true(target, head)
        yield Item(source, target)


def _true(target: str, head: bytes) -> str:
    """Name an answer for the format of a file that begins so."""
    stem, end = posixpath.splitext(target)
    return f'{stem}{suffix_of(head, end)}'


def _at_address(text: str, recursive: bool, keeps: bool) -> Iterator[Item]:
    system, path = open_system(text)
    if glob.has_magic(path):
        names, folder = system.glob(path), _fixed(path)
    elif system.isdir(path):
        names, folder = system.find(path, maxdepth=None if recursive else 1), path
    elif system.exists(path):
        names, folder = [path], posixpath.dirname(path)
    else:
        raise FileNotFoundError(f'{text} does not exist. Look for a slip in the name.')
    pictures = [
        name
        for name in sorted(map(str, names))
        if posixpath.splitext(name)[1].lower() in EXTENSIONS
    ]
    sources = [system.unstrip_protocol(name) for name in pictures]
    heads = heads_of(sources if keeps else (), HEAD)
    for name, source in zip(pictures, sources, strict=True):
        target = posixpath.relpath(name, folder or '.')
        yield Item(source, _true(target, next(heads)) if keeps else target)


def _fixed(pattern: str) -> str:
    """Give the folder above the first wild card."""
    while glob.has_magic(pattern):
        pattern = posixpath.dirname(pattern)
    return pattern


def _answers(out: str) -> set[str]:
    system, path = open_system(out)
    if not system.exists(path):
        return set()
    folder = out.rstrip('/')
    return {f'{folder}/{posixpath.relpath(str(one), path)}' for one in system.find(path)}
