"""What a visitor may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irbox.pictures import picture_size
from irbox.restore.memory import format_memory


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for; more is refused with a message, before any work."""

    bytes: int = 200 * 2**20
    """Of one file."""
    pixels: int = 64_000_000
    """Of one picture: its header tells, before any memory is taken."""
    pictures: int = 50
    """At once."""
    waiting: int = 16
    """Pictures that wait for a device."""
    minutes: float = 60
    """That files are kept after they were last written."""

    def check_number(self, files: Sequence[object]) -> None:
        """Refuse none, or too many pictures at once.

        Raises:
            ValueError: Says how many are taken.
        """
        if not files:
            raise ValueError('There is no picture yet: drop one, or choose an example.')
        if len(files) > self.pictures:
            raise ValueError(
                f'{len(files)} pictures at once are too many: this page takes {self.pictures}. '
                'For whole folders there is the command: irbox restore FOLDER --out ANOTHER.'
            )

    def check(self, path: Path) -> None:
        """Refuse a file that is no picture or too large.

        Raises:
            ValueError: Says what is wrong and how large a picture may be.
        """
        size = path.stat().st_size
        if size > self.bytes:
            raise ValueError(self.too_many_bytes(path.name, size))
        width, height = picture_size(path)
        if width * height > self.pixels:
            raise ValueError(
                f'{path.name} has {width}x{height} pixels, {width * height / 1e6:.0f} megapixels; '
                f'this page takes {self.pixels / 1e6:g}. Give a smaller picture, or restore it by '
                'the command irbox restore.'
            )

    def too_many_bytes(self, name: str, size: float) -> str:
        """Say that a file is too large."""
        return (
            f'{name} is too large: {format_memory(size)}; this page takes '
            f'{format_memory(self.bytes)} a file.'
        )
