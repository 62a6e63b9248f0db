"""Which of the images in a folder are used: guards against leaks, lists, labels."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from irbox.datasets.image_store import file_length, open_file
from irbox.datasets.pairs.image_folders import Folder, list_images, stem_of
from irbox.datasets.pairs.pairing_rule import check_expression
from irbox.datasets.pairs.schema import as_list, check_rule_values
from irbox.datasets.read_image import SUFFIXES
from irbox.registry import suggest


class FoundImage(NamedTuple):
    """A degraded image before its clean one is known."""

    folder: Folder
    name: str
    stem: str
    label: str


@dataclass(frozen=True, kw_only=True)
class ImageSelection:
    """What to leave out; nothing, by default."""

    root: Path = Path()
    """Folder that the patterns begin in."""
    id_pattern: str | None = None
    r"""Regular expression for the whole name whose first group is the scene's number, such as
    ``(\d+)_.*``."""
    exclude_ids: Mapping[str, Any] | None = None
    """``{first: 301, last: 350}`` leaves out scenes with these numbers, such as those that a test
    set shares; ``pattern`` may stand beside them, instead of ``id_pattern``."""
    exclude_ids_from: str | Path | None = None
    """A folder, such as that of a test set, whose scenes are left out."""
    exclude_copies_of: str | Path | Sequence[str | Path] = ()
    """Folders, such as those of a test set: files with the same content as one there are left out.
    A folder that does not exist holds none."""
    allow_list: str | Path | None = None
    """A text file with the names to use, one per line, whatever folder stands before them."""
    name_alias: Sequence[str] | None = None
    r"""A regular expression and what names that fit it become when they are compared with the
    allow-list: ``['a(\d+)', '\1']``."""
    only: str | Sequence[str] | None = None
    """Labels to keep; all by default."""
    names: str | None = None
    r"""Regular expression for whole names without suffix: other files of the folder are no degraded
    images of the source, as ``norain-1`` beside ``rain-1``, for ``rain-\d+``."""

    def __post_init__(self) -> None:
        check_rule_values(vars(self))
        if self.name_alias is not None:
            check_expression(self.name_alias, 'name_alias')
        if self.names is not None:
            check_expression((self.names, ''), 'names')
        if self.id_pattern is not None:
            check_expression((self.id_pattern, r'\1'), 'id_pattern')
        if self.exclude_ids is not None:
            pattern = self.exclude_ids.get('pattern', self.id_pattern)
            if pattern is None:
                raise ValueError('exclude_ids needs `pattern`, since there is no `id_pattern`.')
            check_expression((pattern, r'\1'), 'exclude_ids.pattern')
        if self.exclude_ids_from is not None and self.id_pattern is None:
            raise ValueError(
                'exclude_ids_from needs `id_pattern`: where the number of a scene stands.'
            )

    def select(
        self, images: list[FoundImage], folder: Path
    ) -> tuple[list[FoundImage], dict[str, int]]:
        """Leave out what shall not be used.

        Args:
            images: All that were found.
            folder: Where, for messages.

        Returns:
            The others, and how many were left out for which reason; also, how many are listed
            that are not there.

        Raises:
            FileNotFoundError: A folder or the allow-list does not exist.
            ValueError: Nothing is left, or an option names nothing.
        """
        left_out: dict[str, int] = {}

        def drop(reason: str, kept: list[FoundImage]) -> list[FoundImage]:
            if len(kept) < len(images):
                left_out[reason] = len(images) - len(kept)
            return kept

        if self.names is not None:
            wanted = re.compile(self.names)
            images = drop('of other names', [i for i in images if wanted.fullmatch(i.stem)])
        if self.only is not None:
            images = self._of_labels(images, folder)
        if self.exclude_ids is not None:
            first, last = self.exclude_ids['first'], self.exclude_ids['last']
            number = _numbering(self.exclude_ids.get('pattern', self.id_pattern))
            images = drop(
                'excluded by number',
                [i for i in images if (n := number(i.stem)) is None or not first <= n <= last],
            )
        if self.exclude_ids_from is not None:
            number, ids = (
                _numbering(self.id_pattern),
                self._ids_in(self.root / self.exclude_ids_from),
            )
            images = drop(
                f'of scenes in {self.exclude_ids_from}',
                [i for i in images if number(i.stem) not in ids],
            )
        if self.exclude_copies_of:
            images = drop('copies of test images', self._without_copies(images))
        if self.allow_list is not None:
            allowed = self._listed_in(self.root / self.allow_list)
            present = {self._alias(image.stem) for image in images}
            if missing := len(allowed - present):
                left_out['in the allow-list, but not there'] = missing
            images = drop(
                'not in the allow-list', [i for i in images if self._alias(i.stem) in allowed]
            )
        if not images:
            reasons = ', '.join(f'{count} {reason}' for reason, count in left_out.items())
            raise ValueError(f'No image of {folder} is left: {reasons}.')
        return images, left_out

    def _of_labels(self, images: list[FoundImage], place: Path) -> list[FoundImage]:
        wanted = as_list(self.only)
        there = Counter(image.label for image in images)
        for label in wanted:
            if label not in there:
                raise ValueError(
                    f'only: no image of {place} is labelled {label!r}. {suggest(label, there)}'
                )
        return [image for image in images if image.label in wanted]

    def _ids_in(self, folder: Path) -> set[int]:
        if not folder.is_dir():
            raise missing_folder(folder)
        number = _numbering(self.id_pattern)
        numbers = [number(stem_of(name)) for name in list_images(folder)]
        ids = {n for n in numbers if n is not None}
        if not ids:
            raise ValueError(
                f'exclude_ids_from: no image of {folder} has a number by {self.id_pattern!r}.'
            )
        return ids

    def _without_copies(self, images: list[FoundImage]) -> list[FoundImage]:
        folders = [self.root / folder for folder in as_list(self.exclude_copies_of)]
        tests = [f / name for f in folders if f.is_dir() for name in list_images(f)]
        # Contents are read only where a file is exactly as long as one of the others.
        sizes = {file_length(path) for path in tests}
        contents = {_content(path) for path in tests} if sizes else set()

        def is_copy(image: FoundImage) -> bool:
            path = image.folder.path / image.name
            return file_length(path) in sizes and _content(path) in contents

        return [image for image in images if not is_copy(image)] if sizes else images

    def _listed_in(self, path: Path) -> set[str]:
        if not path.is_file():
            problem = 'is a folder, no file' if path.is_dir() else 'does not exist'
            raise FileNotFoundError(f'The allow_list {path} {problem}.')
        try:
            # Lists written on Windows begin with a mark.
            lines = path.read_text(encoding='utf-8-sig').split('\n')
        except UnicodeDecodeError as error:
            raise ValueError(
                f'The allow_list {path} is no text file in UTF-8 ({error}).'
            ) from error
        return {self._alias(stem_of(line.strip())) for line in lines if line.strip()}

    def _alias(self, stem: str) -> str:
        if self.name_alias is None:
            return stem
        match = re.fullmatch(self.name_alias[0], stem)
        return match.expand(self.name_alias[1]) if match else stem


def _numbering(pattern: str | None) -> Callable[[str], int | None]:
    expression = re.compile(pattern or '')

    def number(stem: str) -> int | None:
        match = expression.fullmatch(stem)
        return int(match[1]) if match and match[1] and match[1].isdecimal() else None

    return number


def _content(path: Path) -> bytes:
    with open_file(path) as file:
        return hashlib.sha256(file.read()).digest()


def missing_folder(folder: Path) -> FileNotFoundError:
    """Make the error that says that a folder is missing."""
    problem = 'is a file, no folder' if folder.is_file() else 'does not exist'
    return FileNotFoundError(
        f'Data folder {folder} {problem} (looked from {Path.cwd()}). Put the data set '
        'there, or set data_root to where it is.'
    )


def no_images(folder: Path) -> ValueError:
    """Make the error that says that a folder holds no images."""
    return ValueError(f'Data folder {folder} holds no images ({", ".join(SUFFIXES)}).')


def first_names(names: list[str], count: int = 3) -> str:
    """Join the first few names, for messages."""
    return ', '.join(names[:count]) + (', ...' if len(names) > count else '')
