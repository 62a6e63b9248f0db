"""Decoding in a process of its own, which a damaged file may end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from irbox.pictures import Picture, check_format, read_picture


class ReadingProcess:
    """Reads pictures by a process that is started with the first, and anew where a file ended it.

    Decoders are written in C: a fault in one does not raise, it ends the process. Beside hundreds
    of pictures it should be that of the decoder alone. It starts without torch, and costs 30 ms
    for a picture of 12 megapixels, in which another one is restored.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def read(self, path: Path, format: str) -> Picture:
        """Decode a picture, and refuse what the format of the answer could not hold.

        Args:
            path: Of the picture.
            format: As for ``check_format``.

        Raises:
            ValueError: It is no picture, or ended the process. The message names it.
            OSError: It cannot be opened.
        """
        if self._pool is None:
            # A copy of this process, with its threads, could hang at once.
            context = multiprocessing.get_context('spawn')
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin)
        try:
            return self._pool.submit(_read, path, format, os.getcwd()).result()
        except BrokenProcessPool as error:
            self.close()
            raise ValueError(
                f'Picture {path} ends the process that decodes it. Replace the file, or save it '
                'again as PNG.'
            ) from error

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def read_and_check(source: Path | bytes, format: str) -> Picture:
    """Decode a picture, and refuse what a format could not hold."""
    picture = read_picture(source)
    check_format(picture, format)
    return picture


def _read(path: Path, format: str, folder: str) -> Picture:
    # Names stay as they were given, for messages.
    os.chdir(folder)
    return read_and_check(path, format)


def _begin() -> None:
    # Ctrl-C is for the process that restores, which finishes the picture at hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
