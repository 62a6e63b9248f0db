"""Models by name: where their files are looked for, and where they come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from irbox.utils.download import cache_folder, fetch

SUFFIXES = ('.safetensors', '.pth', '.ckpt', '.pt')


@dataclass(frozen=True)
class KnownModel:
    """A model that irbox takes by name and that does not come with it."""

    name: str
    title: str
    config: str
    """That its weights are for."""
    licence: str
    """Of the authors' code."""
    where: str
    """Its file comes from, in words."""
    address: str | None = None
    """Of the file itself, where its authors name one."""
    sha256: str | None = None

    def here(self) -> Path | None:
        """Find its file on this machine, as it was published or converted."""
        return next((place for place in self.places() if place.is_file()), None)

    def places(self) -> list[Path]:
        """List where its file is looked for."""
        return [
            folder / f'{self.name}{suffix}' for folder in model_folders() for suffix in SUFFIXES
        ]

    def find(self, offline: bool = False) -> Path:
        """Give its file, fetched where an address is known and it is not here.

        Raises:
            FileNotFoundError: It is not here and has no address, or nothing may be fetched; the
                message says where it comes from and where to put it.
            ValueError, ConnectionError: See ``fetch``.
        """
        if (here := self.here()) is not None:
            return here
        if self.address is not None:
            return fetch(self.address, model_folders()[-1], self.sha256, offline)
        own, shared = (folder / f'{self.name}.ckpt' for folder in model_folders())
        raise FileNotFoundError(
            f'{self.title} ({self.name}) does not come with irbox. Get its weights {self.where} '
            f'(licence of its code: {self.licence}) and put them to {own} or {shared}, as they are '
            f'({", ".join(SUFFIXES)}); or name the file.'
        )


def model_folders() -> tuple[Path, Path]:
    """Name where models lie: ``weights`` or what ``IRBOX_WEIGHTS`` says, and the cache folder's."""
    own = Path(os.environ.get('IRBOX_WEIGHTS') or 'weights').expanduser()
    return own, cache_folder() / 'models'


def _read() -> dict[str, KnownModel]:
    text = Path(__file__).with_name('models.yaml').read_text(encoding='utf-8')
    return {name: KnownModel(name, **entry) for name, entry in yaml.safe_load(text).items()}


KNOWN = _read()
"""Name -> model."""
