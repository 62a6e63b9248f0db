"""From what a user names to the pictures that are there."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD = 64
"""Bytes of a file that tell its format."""


@dataclass(frozen=True)
class Found:
    """A picture file, and where it stands in what was named."""

    source: Path
    tree: Path
    """Its path below the folder that was named; only its name for a single file."""


def find_pictures(
    text: str,
    recursive: bool,
    extensions: Collection[str],
    notes: list[str],
    out: Path | None = None,
) -> Iterator[Found]:
    """Find the pictures that a file, a folder or a pattern names.

    Args:
        text: What was named; a file of this very name is meant before a pattern.
        recursive: Enter the folders inside of folders.
        extensions: File name extensions of pictures, in lower case, that are looked for in folders.
        notes: Gets a sentence for what is passed over.
        out: The folder of the answers, which is not entered where it lies inside of another.

    Raises:
        FileNotFoundError: It does not exist, or a pattern matches nothing.
        PermissionError: A folder cannot be entered.
        ValueError: The name is empty.
    """
    if not text:
        raise ValueError("IN is empty (''). Name a file, a folder or a pattern.")
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _walk(path, recursive, extensions, notes, out)
    elif path.exists():
        yield Found(path, Path(path.name))
    elif path.is_symlink():
        raise FileNotFoundError(
            f'{path} is a link to {os.readlink(path)}, which does not exist. Name the file itself.'
        )
    elif glob.has_magic(text):
        matches = sorted(Path(one) for one in glob.glob(str(path), recursive=True))
        files = [one for one in matches if one.is_file() and one.suffix.lower() in extensions]
        if not files:
            raise FileNotFoundError(
                f'No picture matches {text}. Name files, a folder, or another pattern.'
            )
        fixed = Path(*_fixed_parts(path))
        yield from (Found(one, one.relative_to(fixed)) for one in files)
    else:
        near = sorted(one.name for one in path.parent.glob(f'{glob.escape(path.stem)}*'))[:3]
        hint = f'{path.parent} has {", ".join(near)}.' if near else 'Look for a slip in the name.'
        raise FileNotFoundError(f'{path} does not exist. {hint}')


def first_bytes(path: Path) -> bytes:
    """Read what tells a file's format; nothing where it is no regular file or cannot be read."""
    try:
        # A pipe would wait for somebody who writes to it.
        if not path.is_file():
            return b''
        with open(path, 'rb') as file:
            return file.read(HEAD)
    except OSError:
        return b''


def _fixed_parts(pattern: Path) -> Iterator[str]:
    """Leading parts of a pattern's folder that hold no wild card."""
    for part in pattern.parent.parts:
        if glob.has_magic(part):
            return
        yield part


def _walk(
    folder: Path,
    recursive: bool,
    extensions: Collection[str],
    notes: list[str],
    out: Path | None,
) -> Iterator[Found]:
    """Pictures in a folder; links are followed, each real folder once, so that loops end."""
    entered, others, closed = {folder.resolve()}, 0, 0
    answers = None if out is None else out.resolve()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        fresh = [name for name in sorted(folders) if not name.startswith('.')]
        inside = {name: Path(place, name).resolve() for name in fresh}
        if answers is not None and answers in inside.values():
            notes.append(f'{out}: not entered, since the answers go there.')
        folders[:] = [n for n, one in inside.items() if one not in entered and one != answers]
        if recursive:
            entered.update(inside[name] for name in folders)
        else:
            closed, folders[:] = len(folders), []
        for name in sorted(files):
            source = Path(place, name)
            if name.startswith('.'):
                continue
            if source.suffix.lower() in extensions:
                yield Found(source, source.relative_to(folder))
            else:
                others += 1
    if closed:
        notes.append(f'{folder}: {closed} folder(s) inside were not entered. Add --recursive.')
    if others:
        notes.append(f"{folder}: {others} file(s) whose names are no picture's were passed over.")


def _refuse(error: OSError) -> None:
    raise PermissionError(
        f'The folder {error.filename} cannot be entered ({error.strerror}). Change its '
        'permissions, or name the folders and files beside it.'
    ) from error
