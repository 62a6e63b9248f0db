"""One picture to restore, wherever it is."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irbox.pictures import Picture, read_picture
from irbox.restore.batch.job import Job
from irbox.restore.cluster.addresses import is_address, read_part, read_whole


@dataclass(frozen=True)
class Item:
    """A picture: a file, a part of an archive, or at an address; and where its answer goes."""

    source: str
    """Path or address of the file, or of the archive."""
    target: str
    member: str = ''
    """Its name in the archive."""
    start: int = 0
    size: int = 0
    """Where it is in the archive, in bytes."""

    @property
    def name(self) -> str:
        """Give what it is called in messages and reports."""
        return f'{self.source}/{self.member}' if self.member else self.source

    @property
    def key(self) -> tuple[str, str]:
        """Name it in a list of what is done, whatever the working directory."""
        source, target = (
            one if is_address(one) else os.path.abspath(one) for one in (self.name, self.target)
        )
        return source, target

    @property
    def job(self) -> Job:
        """Give it as the rest of the command knows it."""
        return Job(Path(self.name), Path(self.target))

    def enter(self, folder: str) -> None:
        """Work in the folder that names are relative to, so that they mean the same everywhere.

        Nothing is entered where none is relative: a machine need not have the folder then.

        Args:
            folder: That of the command.

        Raises:
            FileNotFoundError: This machine has no such folder.
        """
        for name in (self.source, self.target):
            if is_address(name) or os.path.isabs(name):
                continue
            try:
                os.chdir(folder)
            except OSError as error:
                raise FileNotFoundError(
                    f'{name} is relative to {folder}, which machine {platform.node()} of the '
                    'cluster cannot enter. Give names in a folder that all machines share, or '
                    'addresses.'
                ) from error
            return

    def read(self) -> Picture:
        """Decode it.

        Raises:
            ValueError, OSError: It is no picture, or cannot be read.
        """
        if self.member:
            return read_picture(read_part(self.source, self.start, self.size))
        if is_address(self.source):
            return read_picture(read_whole(self.source))
        return read_picture(Path(self.source))

    def with_suffix(self, suffix: str) -> str:
        """Give the target's name with another end."""
        if is_address(self.target):
            scheme, _, rest = self.target.partition('://')
            return f'{scheme}://{PurePosixPath(rest).with_suffix(suffix)}'
        return str(Path(self.target).with_suffix(suffix))
