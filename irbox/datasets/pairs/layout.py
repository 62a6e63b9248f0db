"""One way in which a data set is unpacked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irbox.datasets.pairs.image_folders import (
    find_folders,
    holds_images,
    list_images,
    partner_folder,
    stem_of,
)
from irbox.datasets.pairs.paired_source import PairedSource


@dataclass(frozen=True)
class Layout:
    """One way in which a set is unpacked; all paths are patterns below the set's folder."""

    inside: tuple[str, ...]
    """Folders that it may be in, tried in this order."""
    input: str
    """Of the degraded images; for a set of clean images, of these."""
    target: str
    """Of the clean images."""
    rules: Mapping[str, Any]
    clean_only: bool = False
    """Whether the images are clean and have yet to be degraded."""

    @property
    def in_one_folder(self) -> bool:
        """Tell whether degraded and clean images lie in the same folder, told apart by names."""
        return self.input == self.target and self.rules.get('names') is not None

    def __str__(self) -> str:
        both = self.input if self.input == self.target else f'{self.input} and {self.target}'
        if both == '.':
            both = 'images'
        if self.rules.get('names') is not None:
            both += f' with names such as {self.rules["names"]}'
        places = [place for place in self.inside if place != '.']
        if places:
            directly = ' or directly' if '.' in self.inside else ''
            both += f', in {", ".join(places)}{directly}'
        # A placeholder with one choice is that choice.
        for word, known in self.rules.get('choices', {}).items():
            both = both.replace(f'{{{word}}}', *known) if len(known) == 1 else both
        return both

    def fits(self, root: Path, place: str) -> bool:
        """Tell whether a place holds degraded images, and a folder of clean ones.

        Args:
            root: Folder of the set.
            place: One of ``inside``.
        """
        choices = self.rules.get('choices', {})
        target = join_patterns(place, self.target)
        for folder in find_folders(root, join_patterns(place, self.input), choices):
            if not self._holds_images(folder.path):
                continue
            if self.clean_only or self.in_one_folder:
                return True
            clean = partner_folder(root, target, folder.values, choices)
            if clean is None or clean == folder.path:
                continue
            # The folder around another is always there: that says nothing.
            if self.target != '.' or holds_images(clean):
                return True
        return False

    def source(self, root: Path, place: str, changes: Mapping[str, Any]) -> PairedSource:
        """Give the source of a place where it fits.

        Args:
            root: Folder of the set.
            place: One of ``inside``.
            changes: Rules that replace the layout's; None takes one away.
        """
        rules = {**self.rules, **changes}
        return PairedSource(
            input=join_patterns(place, self.input),
            target=join_patterns(place, self.target),
            root=root,
            **{key: value for key, value in rules.items() if value is not None},
        )

    def _holds_images(self, folder: Path) -> bool:
        names = self.rules.get('names')
        if names is None:
            return holds_images(folder)
        return any(re.fullmatch(names, stem_of(name)) for name in list_images(folder))


def join_patterns(place: str, pattern: str) -> str:
    """Put a pattern below a place, either of which may be ``.``."""
    parts = itertools.chain(place.split('/'), pattern.split('/'))
    return '/'.join(part for part in parts if part not in ('', '.')) or '.'
