"""Where pairs of degraded and clean image files are, declared as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from irbox.datasets.pairs.file_pairs import FilePairs
from irbox.datasets.pairs.image_folders import (
    Choices,
    Folder,
    find_folders,
    list_images,
    natural_key,
    partner_folder,
    placeholders,
    stem_of,
)
from irbox.datasets.pairs.image_selection import (
    FoundImage,
    ImageSelection,
    first_names,
    missing_folder,
    no_images,
)
from irbox.datasets.pairs.pairing_rule import (
    Key,
    PairingRule,
    Rule,
    check_expression,
    pairing_rule,
)
from irbox.datasets.pairs.schema import as_list
from irbox.datasets.read_image import SUFFIXES

__all__ = ['PairedSource', 'UnmatchedImagesError', 'natural_key']

LabelRule = tuple[re.Pattern[str], str]


class UnmatchedImagesError(ValueError):
    """Degraded images have no clean one.

    Args:
        message: For people.
        images: All of these files, each with the folder where its clean image was looked for.
    """

    def __init__(self, message: str, images: Sequence[tuple[Path, Path]]) -> None:
        super().__init__(message)
        self.images = images


@dataclass(frozen=True)
class PairedSource(ImageSelection):
    r"""Folders of degraded images, the folders with their clean ones, and how both belong together.

    ``PairedSource(input, target, label).find_pairs()`` lists them. Only names of files and folders
    are looked at; the clean path comes from the patterns and the rules, never from replacing text
    in a path.
    """

    input: str | Path
    r"""Folder of the degraded images: below ``root``, or absolute. It may be a pattern for several:
    ``{sequence}/blur`` is the folder ``blur`` in every folder, ``**`` stands for folders of any
    depth (see ``find_folders``)."""
    target: str | Path
    """Folder of the clean images, with the same placeholders: ``{sequence}/sharp``. Files may be of
    another type."""
    label: str | Sequence[Sequence[str]]
    """The degradation, which may name a placeholder: ``{kind}``. Or pairs of a regular expression
    and a degradation, of which the first whose expression fits the whole degraded name counts."""
    pairing: str | Sequence[Rule] = ('same_name',)
    """Rules, tried in this order until a clean image is found, see ``pairing_rule``."""
    choices: Choices = field(default_factory=dict)
    """What a placeholder may stand for: a list of folder names, or a mapping from folder name to
    what it is called in labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rules()
        if not isinstance(self.label, str):
            for rule in self.label:
                check_expression(rule, f'label: {rule!r}')
        elif unknown := set(placeholders(self.label)) - set(placeholders(self.input)):
            raise ValueError(
                f'label={self.label!r}: {{{unknown.pop()}}} does not stand in input='
                f'{str(self.input)!r}.'
            )
        for name in placeholders(self.target):
            if name not in placeholders(self.input) and name not in self.choices:
                raise ValueError(
                    f'target={str(self.target)!r}: {{{name}}} stands neither in input='
                    f'{str(self.input)!r} nor in choices, so it can be anything.'
                )

    def find_pairs(self, strict: bool = True) -> tuple[FilePairs, dict[str, int]]:
        """Look for all pairs, in natural order of folders and names.

        Args:
            strict: Refuse degraded images without a clean one, instead of leaving them out.

        Returns:
            The pairs, and how many degraded images were left out for which reason.

        Raises:
            FileNotFoundError: A folder or the allow-list does not exist.
            ValueError: A folder holds no images, two clean images may belong to a degraded one, or
                a name has no label; ``UnmatchedImagesError`` where clean images are missing.
        """
        images, left_out = self.select(self._degraded(), self.root / self.input)
        rules = self._rules()
        clean_images: dict[Path, _CleanImages] = {}
        pairs, missing = FilePairs(), []
        for degraded_folder, of_folder in _by_folder(images).items():
            clean_folder = self._clean_folder(of_folder[0].folder)
            if clean_folder not in clean_images:
                clean_images[clean_folder] = _CleanImages(clean_folder, rules)
            partner = clean_images[clean_folder].partner
            pairs.enter(degraded_folder, clean_folder)
            for image in of_folder:
                name = partner(image)
                if name is None:
                    missing.append(image)
                else:
                    pairs.add(image.name, name, image.label)
        if missing and (strict or not pairs):
            folder = missing[0].folder
            files = [
                (path / image.name, clean_folder)
                for path, of_folder in _by_folder(missing).items()
                for clean_folder in [self._clean_folder(of_folder[0].folder)]
                for image in of_folder
            ]
            message = (
                f'{len(missing)} of {len(images)} degraded images in {folder.path} have no clean '
                f'image in {self._clean_folder(folder)}: '
                f'{first_names([image.name for image in missing])}. Tried the pairing '
                f'{", ".join(rule.text for rule in rules)}. Complete '
                'the folder or change the pairing; `strict: false` leaves such images out.'
            )
            raise UnmatchedImagesError(message, files)
        return pairs, left_out | ({'without a clean image': len(missing)} if missing else {})

    def _rules(self) -> list[PairingRule]:
        return [pairing_rule(rule) for rule in as_list(self.pairing)]

    def _degraded(self) -> list[FoundImage]:
        folders = find_folders(self.root, self.input, self.choices)
        if str(self.input) != str(self.target):
            # `real/{task}` beside `real/gt`: the clean images are no task.
            folders = [f for f in folders if f.path != self._clean_folder(f)]
        if not folders:
            raise missing_folder(self.root / self.input)
        # Either one label for all of a folder, or rules for the names in it.
        text = self.label if isinstance(self.label, str) else None
        rules = [] if isinstance(self.label, str) else _compiled(self.label)
        images = []
        for folder in folders:
            of_folder = None if text is None else text.format_map(self._called(folder.values))
            for name in list_images(folder.path):
                stem = stem_of(name)
                label = self._label_by(rules, stem) if of_folder is None else of_folder
                images.append(FoundImage(folder, name, stem, label))
        if not images:
            raise no_images(folders[0].path)
        return images

    def _label_by(self, rules: Sequence[LabelRule], stem: str) -> str:
        """Give the label of the first rule that fits a name."""
        for expression, label in rules:
            if expression.fullmatch(stem):
                return label
        raise ValueError(
            f'{self.root / self.input}: no label rule fits the name {stem!r}. Add one; a last '
            "rule with the expression '.*' fits every name."
        )

    def _called(self, values: Mapping[str, str]) -> dict[str, str]:
        """Say what placeholders are called in labels."""
        called = dict(values)
        for name, names in self.choices.items():
            if isinstance(names, Mapping) and name in values:
                lower = {str(key).casefold(): text for key, text in names.items()}
                called[name] = lower.get(values[name].casefold(), values[name])
            elif name in values:
                called[name] = values[name].casefold()
        return called

    def _clean_folder(self, folder: Folder) -> Path:
        found = partner_folder(self.root, self.target, folder.values, self.choices)
        if found is None:
            raise missing_folder(self.root / self.target)
        return found


def _compiled(label: Sequence[Sequence[str]]) -> list[LabelRule]:
    return [(re.compile(pattern), text) for pattern, text in label]


def _by_folder(images: Iterable[FoundImage]) -> dict[Path, list[FoundImage]]:
    folders: dict[Path, list[FoundImage]] = {}
    for image in images:
        folders.setdefault(image.folder.path, []).append(image)
    return folders


class _CleanImages:
    """Finds the clean image of a degraded one in a folder, by the first rule that has one."""

    def __init__(self, folder: Path, rules: Sequence[PairingRule]) -> None:
        self.folder, self.rules = folder, rules
        self.names = list_images(folder)
        if not self.names:
            raise no_images(folder)
        self._indices: dict[Callable[[str], Key], dict[Key, list[str]]] = {}

    def partner(self, image: FoundImage) -> str | None:
        for rule in self.rules:
            key = rule.degraded_key(image.stem)
            if key is None:
                continue
            index = self._indices.get(rule.clean_key)
            if index is None:
                index = self._indices[rule.clean_key] = self._index(rule.clean_key)
            if partners := index.get(key):
                return _closest(partners, image, self.folder)
        return None

    def _index(self, clean_key: Callable[[str], Key]) -> dict[Key, list[str]]:
        """Map keys to the names of clean images."""
        index: dict[Key, list[str]] = {}
        for name in self.names:
            index.setdefault(clean_key(stem_of(name)), []).append(name)
        return index


def _closest(names: list[str], image: FoundImage, folder: Path) -> str:
    """Choose from files that differ in type: the degraded image's type, else the best one."""
    if len(names) == 1:
        return names[0]
    if len({stem_of(name) for name in names}) > 1:
        raise ValueError(
            f'Several clean images in {folder} may belong to {image.folder.path / image.name}: '
            f'{first_names(names)}. Take all but one away, or name a pairing that tells them apart.'
        )
    own = Path(image.name).suffix
    return min(
        names,
        key=lambda n: (Path(n).suffix != own, SUFFIXES.index(Path(n).suffix.lower()), n),
    )
