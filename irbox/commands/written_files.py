"""Files that commands write their answers to: no folders, and none of what the command reads."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irbox.utils.files import check_writable


def written_file(text: str) -> Path:
    """Read the name of a file that a command writes, for ``check_written_files`` to look at."""
    return Path(text)


def check_written_files(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot be written, or would be written over an input, before anything is done.

    Args:
        parser: Of a command; options of ``type=written_file`` name what it writes, and any other
            argument may name what it reads.
        args: What it understood.

    Raises:
        ValueError: A file to write is a folder, is given as another argument as well, or is a file
            that another argument leads to, by links or otherwise.
        PermissionError: Its folder cannot be written to.
    """
    actions = list(_chosen(parser, args))
    for action in actions:
        path = getattr(args, action.dest, None)
        if action.type is not written_file or path is None:
            continue
        name = _name(action)
        if path.is_dir():
            raise ValueError(f'{name} {path} is a folder. Name a file.')
        for other in actions:
            if other is not action and _is_among(path, other, getattr(args, other.dest, None)):
                kind = 'another answer' if other.type is written_file else 'an input'
                raise ValueError(
                    f'{name} {path} would replace {kind}, given as {_name(other)}. Give another '
                    'name.'
                )
        try:
            check_writable(path.parent)
        except PermissionError as error:
            raise PermissionError(f'{name} {path}: {error}') from error


def _chosen(parser: argparse.ArgumentParser, args: argparse.Namespace) -> Iterator[argparse.Action]:
    """The arguments of a parser, and of the command below it that was chosen."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            yield action
        elif getattr(args, action.dest) is not None:
            yield from _chosen(action.choices[getattr(args, action.dest)], args)


def _name(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest
    return action.option_strings[-1] if action.option_strings else metavar.partition(' ')[0]


def _is_among(path: Path, other: argparse.Action, value: Any) -> bool:
    """Tell whether an argument names a file; two that are to be written need not be there."""
    if isinstance(value, (list, tuple)):
        return any(_is_among(path, other, one) for one in value)
    if not isinstance(value, (str, Path)):
        return False
    try:
        return os.path.samefile(path, value)
    except OSError:
        return other.type is written_file and os.path.realpath(path) == os.path.realpath(value)
