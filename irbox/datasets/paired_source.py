"""Where pairs of degraded and clean image files are, declared as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from irbox.datasets.read_image import SUFFIXES

Rule = str | Sequence[str]
SAME_NAME = 'same_name'


class ImagePair(NamedTuple):
    """A degraded image file, its clean one, and what is wrong with it."""

    degraded: Path
    clean: Path
    label: str


@dataclass(frozen=True)
class PairedSource:
    r"""A folder of degraded images, the folder with their clean ones, and how they belong together.

    Names are compared without their suffix. A rule is ``same_name``, or a pair of a regular
    expression for the whole degraded name and what the clean name then is, such as
    ``['(.+)_rain', '\1_clean']`` or, where fifteen degraded images share a clean one,
    ``['(im_\d+)_s\d+_a\d+', '\1']``.
    """

    input: Path
    """Folder of the degraded images."""
    target: Path
    """Folder of the clean images. Their file type may be another."""
    label: str | Sequence[Sequence[str]]
    """The degradation; or pairs of a regular expression and a degradation, of which the first whose
    expression fits the whole degraded name counts."""
    pairing: Sequence[Rule] = (SAME_NAME,)
    """Rules, tried in this order until a clean image is found."""
    exclude_ids: Mapping[str, Any] | None = None
    r"""``{pattern: 'im_(\d+)_.*', first: 301, last: 350}`` leaves out names whose number is between
    the
    two, such as those that a test set shares."""
    allow_list: Path | None = None
    """A text file with the names to use, one per line, whatever folder stands before them."""

    def __post_init__(self) -> None:
        for rule in self.pairing:
            if rule != SAME_NAME:
                _check_rule(rule, 'pairing')
        for rule in () if isinstance(self.label, str) else self.label:
            _check_rule(rule, 'label')
        if self.exclude_ids is not None:
            _check_rule((self.exclude_ids['pattern'], r'\1'), 'exclude_ids.pattern')

    def find_pairs(self, strict: bool = True) -> tuple[list[ImagePair], dict[str, int]]:
        """Look for all pairs, in natural order.

        Args:
            strict: Refuse degraded images without a clean one, instead of leaving them out.

        Returns:
            The pairs, and how many degraded images were left out for which reason.

        Raises:
            FileNotFoundError: A folder or the allow-list does not exist.
            ValueError: A folder holds no images, clean images are missing, or a name has no label.
        """
        degraded, left_out = self._wanted(_images(self.input))
        clean: dict[str, list[Path]] = {}
        for path in _images(self.target):
            clean.setdefault(path.stem, []).append(path)
        pairs, missing = [], []
        for path in degraded:
            found = next(
                (clean[name] for name in self._clean_names(path.stem) if name in clean), None
            )
            if found:
                pairs.append(ImagePair(path, _closest(found, path), self._label(path.stem)))
            else:
                missing.append(path.name)
        if missing and (strict or not pairs):
            rules = ', '.join(
                rule if isinstance(rule, str) else ' -> '.join(rule) for rule in self.pairing
            )
            raise ValueError(
                f'{len(missing)} of {len(degraded)} degraded images in {self.input} have no clean '
                f'image in {self.target}: {_first(missing)}. Tried the pairing {rules}. Complete '
                'the folder or change the pairing; `strict: false` leaves such images out.'
            )
        return pairs, left_out | ({'without a clean image': len(missing)} if missing else {})

    def _wanted(self, paths: list[Path]) -> tuple[list[Path], dict[str, int]]:
        left_out = {}
        if self.exclude_ids is not None:
            kept = [path for path in paths if not self._excluded(path.stem)]
            left_out['excluded by number'] = len(paths) - len(kept)
            paths = kept
        if self.allow_list is not None:
            if not self.allow_list.is_file():
                raise FileNotFoundError(f'The allow_list {self.allow_list} does not exist.')
            lines = self.allow_list.read_text(encoding='utf-8').split('\n')
            allowed = {Path(line.strip()).name for line in lines if line.strip()}
            kept = [path for path in paths if path.name in allowed]
            left_out['not in the allow-list'] = len(paths) - len(kept)
            paths = kept
        if not paths:
            reasons = ', '.join(f'{count} {reason}' for reason, count in left_out.items())
            raise ValueError(f'No image of {self.input} is left: {reasons}.')
        return paths, {reason: count for reason, count in left_out.items() if count}

    def _excluded(self, name: str) -> bool:
        match = re.fullmatch(self.exclude_ids['pattern'], name)
        if not match or not match[1].isdigit():
            return False
        return self.exclude_ids['first'] <= int(match[1]) <= self.exclude_ids['last']

    def _clean_names(self, name: str) -> Iterator[str]:
        for rule in self.pairing:
            if rule == SAME_NAME:
                yield name
            elif match := re.fullmatch(rule[0], name):
                yield match.expand(rule[1])

    def _label(self, name: str) -> str:
        if isinstance(self.label, str):
            return self.label
        for pattern, label in self.label:
            if re.fullmatch(pattern, name):
                return label
        raise ValueError(
            f'{self.input}: no label rule fits the name {name!r}. Add one; a last rule with the '
            "expression '.*' fits every name."
        )


def _check_rule(rule: Rule, what: str) -> None:
    """Refuse a rule that is no pair of an expression and what it gives."""
    if isinstance(rule, str) or len(rule) != 2:
        raise ValueError(f'{what}: {rule!r} must be a regular expression and what it stands for.')
    try:
        groups = re.compile(rule[0]).groups
    except re.error as error:
        raise ValueError(f'{what}: {rule[0]!r} is no regular expression ({error}).') from error
    wanted = max(map(int, re.findall(r'\\(\d)', rule[1])), default=0)
    if wanted > groups:
        raise ValueError(
            f'{what}: {rule[0]!r} has {groups} groups in parentheses, but \\{wanted} is needed.'
        )


def natural_key(name: str) -> list[str | int]:
    """Sort key by which 2 comes before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', name)]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f'Data folder {folder} does not exist (looked from {Path.cwd()}). Put the data set '
            'there, or set data_root to where it is.'
        )
    paths = [
        path
        for path in folder.iterdir()
        # Archives packed on a Mac hold a `._name.png` beside each file, which is no image.
        if path.suffix.lower() in SUFFIXES and not path.name.startswith('.')
    ]
    if not paths:
        raise ValueError(f'Data folder {folder} holds no images ({", ".join(SUFFIXES)}).')
    return sorted(paths, key=lambda path: natural_key(path.name))


def _closest(clean: list[Path], degraded: Path) -> Path:
    """Of clean images that differ in type, the one of the degraded image's type, else the best."""
    return min(
        clean,
        key=lambda path: (path.suffix != degraded.suffix, SUFFIXES.index(path.suffix.lower())),
    )


def _first(names: list[str], count: int = 3) -> str:
    return ', '.join(names[:count]) + (', ...' if len(names) > count else '')
