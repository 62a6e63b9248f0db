"""Files that appear whole or not at all, and folders that can be written to."""

from __future__ import annotations

import fcntl
import glob
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MARK = '.tmp.'


@contextmanager
def atomic_write(path: str | Path, mode: str = 'wb') -> Iterator[IO[Any]]:
    """Open a file for writing that takes its name only when everything is on the disk.

    A process that is killed in between leaves the old file, if there was one, and a temporary file
    that ``remove_leftovers`` takes away.
    """
    path = Path(path)
    partial = path.with_name(f'{_stem(path)}{MARK}{os.getpid()}')
    try:
        with open(partial, mode, encoding=None if 'b' in mode else 'utf-8') as file:
            yield file
            _flush(file)
        rename(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            # Such as of a disk that is full: the system does not say which file it was.
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    with atomic_write(path, 'w') as file:
        file.write(text)


def append_line(path: str | Path, line: str) -> None:
    """Add a line to a file that several processes add to, and see it on the disk.

    Systems do not interleave single writes at the end of a file. A line that a kill cut short is
    ended by the next, and is for the reader to pass over.
    """
    # Unbuffered: one call of the system, whatever the length.
    with open(path, 'ab', buffering=0) as file:
        file.write(f'\n{line}\n'.encode())
        _flush(file)


def _stem(path: Path) -> str:
    """Begin the name of a temporary file: it has to fit where the file's own just does."""
    return os.fsdecode(os.fsencode(path.name)[:200])


def _flush(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def rename(path: str | Path, target: str | Path) -> None:
    """Give a finished file another name in its folder, in place of a file that has it."""
    os.replace(path, target)


def remove_leftovers_of(path: str | Path) -> None:
    """Remove the temporary files of killed writers of one file."""
    path = Path(path)
    for file in path.parent.glob(f'{glob.escape(_stem(path))}{MARK}*'):
        file.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files of writers that were killed."""
    for file in Path(folder).glob(f'*{MARK}*'):
        if file.name.rpartition(MARK)[2].isdigit():
            file.unlink(missing_ok=True)


@contextmanager
def locked(path: str | Path, wait: float = 0.0, poll: float = 0.2) -> Iterator[IO[Any]]:
    """Hold a file that one process of a machine holds at a time; the system frees it in the end.

    Args:
        path: The file; it says who holds it, and stays.
        wait: Seconds to wait for another holder.
        poll: Seconds between two looks.

    Raises:
        BlockingIOError: It is still held; the message says by whom.
    """
    until = time.monotonic() + wait
    with open(path, 'a+', encoding='utf-8') as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(poll)
                    continue
                file.seek(0)
                raise BlockingIOError(
                    f'{Path(path).parent} is in use by another run ({file.read().strip() or "?"}). '
                    'Wait for it, end it, or choose another folder.'
                ) from None
        try:
            file.seek(0)
            file.truncate()
            file.write(f'process {os.getpid()} on {platform.node()}\n')
            file.flush()
            yield file
        finally:
            # In so many words: processes that were forked meanwhile hold the file, too.
            fcntl.flock(file, fcntl.LOCK_UN)


def is_left(path: str | Path) -> bool:
    """Tell whether the process that ``locked`` a file on this machine is gone, its children not."""
    text = Path(path).read_text(encoding='utf-8')
    found = re.fullmatch(r'process (\d+) on (.*)\n', text)
    if not found or found[2] != platform.node():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, and there
    return False


def check_writable(folder: str | Path) -> None:
    """Refuse a folder that cannot be written to, without creating anything that stays.

    Raises:
        PermissionError: The folder, or the nearest existing one above it, cannot be written to.
    """
    folder = Path(folder).absolute()
    above = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        # Asking for permission bits would let an administrator pass on a read-only disk.
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        reason = 'it is a file' if above.is_file() else error.strerror or str(error)
        where = '' if above == folder else f' ({above}: {reason})'
        raise PermissionError(
            f'The folder {folder} cannot be written to: {reason}{where}. Choose another one.'
        ) from error
