"""Folders of images: where a pattern finds them, and which images are in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from irbox.datasets.image_store import SUFFIX, is_database, names_in_database
from irbox.datasets.read_image import SUFFIXES

_NUMBERS = re.compile(r'\d+')
Choices = Mapping[str, Sequence[str] | Mapping[str, str]]

_PLACEHOLDER = re.compile(r'\{(\w+)\}')
_ANY_DEPTH = '**'


class Folder(NamedTuple):
    """A folder that a pattern found, and what its placeholders stand for in it."""

    path: Path
    values: Mapping[str, str]


def natural_key(name: str) -> str:
    """Sort key by which 2 comes before 10."""
    # One text compares faster than a list of texts and numbers. Names have no \0 in them.
    # The name itself decides between 1 and 01: folders are listed in any order.
    return f'{_NUMBERS.sub(_comparable, name)}\0\0{name}'


def _comparable(match: re.Match[str]) -> str:
    """Write a number so that it compares as one: the longer number is the larger."""
    number = str(int(match[0]))
    return f'\0{chr(len(number))}{number}'


def stem_of(name: str) -> str:
    """Give a file's name without its folders and, if it is an image's, without its suffix.

    ``0001_0.8_0.2`` is a whole stem, although it has a dot.
    """
    if '/' in name or '\\' in name:
        name = name.replace('\\', '/').rpartition('/')[2]
    stem, dot, suffix = name.rpartition('.')
    return stem if dot and f'.{suffix}'.lower() in SUFFIXES else name


def list_images(folder: Path) -> list[str]:
    """List the names of the images in a folder or a database, in natural order; none is opened."""
    if is_database(folder):
        return sorted(filter(is_image_name, names_in_database(folder)), key=natural_key)
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            # Archives packed on a Mac hold a `._name.png` beside each file, which is no image.
            if is_image_name(entry.name) and not _is_folder(entry)
        ]
    return sorted(names, key=natural_key)


def holds_images(folder: Path) -> bool:
    """Tell whether there is an image in a folder: stops at the first."""
    if is_database(folder):
        return bool(list_images(folder))
    with os.scandir(folder) as entries:
        return any(is_image_name(entry.name) and not _is_folder(entry) for entry in entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link in a circle: as an image it gets its message, as a folder it is none.
        return False


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name is an image: by its suffix, in any case of letters."""
    return name.lower().endswith(SUFFIXES) and not name.startswith('.')


def find_folders(root: Path, pattern: str | Path, choices: Choices) -> list[Folder]:
    """Find the folders that a pattern names, in natural order.

    Args:
        root: Folder that the pattern starts in, unless it is absolute.
        pattern: Folder names with slashes between them. ``{word}`` stands for a folder's name or a
            part of it, and for the same one wherever it comes again; ``**`` for any number of
            folders, also none (links are not followed there). A name that does not exist as it is
            written is found in other letter cases, and then as a database, with ``.lmdb`` behind.
        choices: What a placeholder may stand for; anything, if it is not named here.
    """
    start, parts = _split(root, pattern)
    if not start.is_dir():
        return []
    found: dict[Path, Folder] = {}
    for folder in _walk(start, parts, {}, choices):
        found.setdefault(folder.path, folder)
    return list(found.values())


def partner_folder(
    root: Path, pattern: str | Path, values: Mapping[str, str], choices: Choices
) -> Path | None:
    """Find the folder that belongs to one that was found, or None if there is none.

    Args:
        root: As for ``find_folders``.
        pattern: Its placeholders get the values of the folder that was found. Others are tried in
            the order of their choices.
        values: Of that folder.
        choices: As for ``find_folders``.
    """
    text, depth = str(pattern), 0
    while _ANY_DEPTH in text and f'{_ANY_DEPTH}{depth}' in values:
        text = text.replace(_ANY_DEPTH, values[f'{_ANY_DEPTH}{depth}'], 1)
        depth += 1
    text = _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
    open_place = _PLACEHOLDER.search(text)
    if open_place is None:
        start, parts = _split(root, text)
        return next((found.path for found in _walk(start, parts, {}, choices)), None)
    for name in choices.get(open_place[1], ()):
        filled = text.replace(open_place[0], name)
        if (found := partner_folder(root, filled, values, choices)) is not None:
            return found
    return None


def placeholders(pattern: str | Path) -> list[str]:
    """List the names of a pattern's placeholders."""
    return _PLACEHOLDER.findall(str(pattern))


def _split(root: Path, pattern: str | Path) -> tuple[Path, tuple[str, ...]]:
    path = PurePath(pattern)
    if path.is_absolute():
        return Path(path.anchor), path.parts[1:]
    return root, path.parts


def _walk(
    folder: Path, parts: Sequence[str], values: Mapping[str, str], choices: Choices
) -> Iterator[Folder]:
    if not parts:
        yield Folder(folder, values)
        return
    part, rest = parts[0], parts[1:]
    if part == _ANY_DEPTH:
        number = sum(key.startswith(_ANY_DEPTH) for key in values)
        for inner in _below(folder):
            between = inner.relative_to(folder).as_posix()
            yield from _walk(inner, rest, {**values, f'{_ANY_DEPTH}{number}': between}, choices)
    elif not _PLACEHOLDER.search(part):
        if (child := _child(folder, part)) is not None:
            yield from _walk(child, rest, values, choices)
    else:
        wanted = _expression(part, values, choices)
        for name in subfolders(folder):
            if match := wanted.fullmatch(name):
                yield from _walk(folder / name, rest, {**values, **match.groupdict()}, choices)


def _expression(part: str, values: Mapping[str, str], choices: Choices) -> re.Pattern[str]:
    text, end, seen = '', 0, set()
    for match in _PLACEHOLDER.finditer(part):
        name = match[1]
        text += re.escape(part[end : match.start()])
        if name in values:
            text += re.escape(values[name])
        elif name in seen:
            text += f'(?P={name})'
        else:
            known = '|'.join(re.escape(choice) for choice in choices.get(name, ()))
            text += f'(?P<{name}>{known or ".+"})'
        seen.add(name)
        end = match.end()
    return re.compile(text + re.escape(part[end:]), re.IGNORECASE)


def _child(folder: Path, name: str) -> Path | None:
    if (folder / name).is_dir():
        return folder / name
    there = subfolders(folder)
    for wanted in (name.casefold(), f'{name}{SUFFIX}'.casefold()):
        for other in there:
            if other.casefold() == wanted:
                return folder / other
    return None


def subfolders(folder: Path) -> list[str]:
    """List the names of the folders in a folder, in natural order, without the hidden ones."""
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.name.startswith('.') and _is_folder(e)]
    return sorted(names, key=natural_key)


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    for name in subfolders(folder):
        if not (folder / name).is_symlink():
            yield from _below(folder / name)
