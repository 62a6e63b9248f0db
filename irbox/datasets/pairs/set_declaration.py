"""Published data sets, each declared in a YAML file: where its archive has what, by which rules."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from irbox.datasets.pairs.image_folders import (
    find_folders,
    holds_images,
    natural_key,
    partner_folder,
)
from irbox.datasets.pairs.paired_source import PairedSource
from irbox.datasets.pairs.schema import as_list, check_rule_values, is_list, is_whole
from irbox.registry import suggest

SETS = Path(__file__).parents[1] / 'sets'
"""Folder of the declarations that come with irbox."""

RULES = (
    'label',
    'pairing',
    'choices',
    'id_pattern',
    'exclude_ids',
    'exclude_copies_of',
    'name_alias',
)
_LAYOUT = (*RULES, 'inside', 'input', 'target', 'clean')
_SPLIT = (*RULES, 'inside', 'layouts', 'counts')
_SET = (*_SPLIT, 'about', 'splits')


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

    def __str__(self) -> str:
        both = self.input if self.clean_only else f'{self.input} and {self.target}'
        places = [place for place in self.inside if place != '.']
        if not places:
            return both
        return f'{both}, in {", ".join(places)}{" or directly" if "." in self.inside else ""}'

    @property
    def clean_only(self) -> bool:
        """Tell whether the images are clean and have yet to be degraded."""
        return self.input == self.target


@dataclass(frozen=True)
class SetDeclaration:
    """A split of a data set: the layouts that it comes in and how many images were published."""

    title: str
    about: str
    layouts: tuple[Layout, ...]
    counts: int | Mapping[str, int] | None = None
    """Pairs as published, of each label if they are told apart; None where nobody says."""

    def find(self, root: Path, label: str, changes: Mapping[str, Any]) -> tuple[PairedSource, bool]:
        """Find the source in a folder, by the first layout that fits.

        Args:
            root: Folder of the set.
            label: The degradation, where the declaration names none.
            changes: Rules that replace the declaration's; None takes one away.

        Returns:
            The source, and whether its images are clean ones that have yet to be degraded.

        Raises:
            FileNotFoundError: The folder does not exist or no layout fits; the message lists them.
        """
        if not root.is_dir():
            problem = 'is a file, no folder' if root.is_file() else 'does not exist'
            raise FileNotFoundError(
                f'Data folder {root} {problem} (looked from {Path.cwd()}). It should hold '
                f'{self.title}: {self.about} Put it there, or set data_root (or root) to where it '
                'is.'
            )
        if (fitting := self._fitting(root)) is not None:
            folder, layout = fitting
            rules = {'label': label, **layout.rules, **changes}
            return PairedSource(
                input=_join(folder, layout.input),
                target=_join(folder, layout.target),
                root=root,
                **{key: value for key, value in rules.items() if value is not None},
            ), layout.clean_only
        raise FileNotFoundError(self._nothing_fits(root))

    def published(self, own_labels: bool, only: Sequence[str] | None = None) -> dict[str, int]:
        """Give how many pairs were published, of each label, or of all together under ``''``.

        Args:
            own_labels: Whether labels are those of the declaration; if not, the sum is known.
            only: Labels that are kept; all by default.
        """
        if isinstance(self.counts, Mapping) and own_labels:
            return {k: n for k, n in self.counts.items() if only is None or k in only}
        if self.counts is None or only is not None:
            return {}
        return {'': sum(self.counts.values()) if isinstance(self.counts, Mapping) else self.counts}

    def _fitting(self, root: Path) -> tuple[str, Layout] | None:
        # By place first: a folder `train` counts more than what may lie beside it.
        for turn in range(max(len(layout.inside) for layout in self.layouts)):
            for layout in self.layouts:
                if turn < len(layout.inside) and _fits(layout, root, layout.inside[turn]):
                    return layout.inside[turn], layout
        return None

    def _nothing_fits(self, root: Path) -> str:
        known = ''.join(f'\n  {layout}' for layout in self.layouts)
        with os.scandir(root) as entries:
            folders = sorted(
                (e.name for e in entries if e.is_dir() and e.name[0] != '.'), key=natural_key
            )
        inner = [name for name in folders if self._fitting(root / name) is not None]
        has = ', '.join(folders[:10]) + (', ...' if len(folders) > 10 else '') or 'no folders'
        remedy = (
            f'{root / inner[0]} fits: set root to it.'
            if inner
            else 'Set root to the folder that holds one of these, give `input` and `target` '
            'instead of `set`, or declare your layout in a YAML file (docs/datasets.md).'
        )
        return (
            f'{root} holds none of the layouts of {self.title}. Looked for{known}\n'
            f'It has {has}. {remedy}'
        )


def known_sets() -> list[str]:
    """List the sets that come with irbox."""
    return sorted(path.stem for path in SETS.glob('*.yaml'))


def load_declaration(name: str, split: str | None = None) -> SetDeclaration:
    """Read the declaration of a set.

    Args:
        name: Of a set that comes with irbox, or a path that ends in ``.yaml``.
        split: Which part of it, where it has several.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no such set or split, or the file is wrong.
    """
    is_path = is_file_name(name)
    if not is_path and name not in known_sets():
        raise ValueError(
            f'No data set is called {name!r}. {suggest(name, known_sets())} A declaration of your '
            'own is named by its path, which ends in .yaml.'
        )
    path = Path(name).expanduser() if is_path else SETS / f'{name}.yaml'
    if not path.is_file():
        raise FileNotFoundError(
            f'The declaration {path} does not exist (looked from {Path.cwd()}).'
        )
    title = path.stem if is_path else name
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    _check(content, _SET, str(path))
    splits = content.get('splits')
    if splits is not None and not isinstance(splits, Mapping):
        raise ValueError(
            f'{path}: splits={splits!r} must be a mapping from names to what is in them.'
        )
    if splits and split not in splits:
        raise ValueError(f'set {title} needs a split, got {split!r}. {suggest(str(split), splits)}')
    if split is not None and not splits:
        raise ValueError(f'set {title} has no splits: take `split: {split}` away.')
    part = splits[split] if splits else {}
    where = f'{path}: splits.{split}' if splits else str(path)
    _check(part, _SPLIT, where)
    merged = _merge(content, part)
    _check_counts(merged.get('counts'), where)
    if not merged.get('layouts') or not is_list(merged['layouts']):
        raise ValueError(f'{where} needs `layouts`: a list of mappings with `input` and `target`.')
    layouts = tuple(
        _layout(layout, merged, f'{where}: layouts.{i}')
        for i, layout in enumerate(merged['layouts'])
    )
    about = ' '.join(str(content.get('about', '')).split())
    full = f'{title} ({split})' if split else title
    return SetDeclaration(full, about, layouts, merged.get('counts'))


def is_file_name(name: str) -> bool:
    """Tell whether the name of a set is the path of a declaration."""
    return name.endswith(('.yaml', '.yml'))


def _layout(given: Any, around: Mapping[str, Any], where: str) -> Layout:
    _check(given, _LAYOUT, where)
    named = {key for key in ('clean', 'input', 'target') if given.get(key) is not None}
    if named not in ({'clean'}, {'input', 'target'}):
        raise ValueError(f'{where} needs `input` and `target`, or `clean` for clean images alone.')
    inside = as_list(given.get('inside') or around.get('inside') or '.')
    merged = _merge(around, given)
    rules = {key: merged[key] for key in RULES if merged.get(key) is not None}
    patterns = {key: given.get('clean') or given[key] for key in ('input', 'target')}
    if absolute := [p for p in patterns.values() if Path(p).is_absolute()]:
        raise ValueError(f'{where}: {absolute[0]} must be a path below the folder of the set.')
    try:
        PairedSource(**{'label': 'any', **patterns, **rules})
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
    return Layout(tuple(inside), rules=rules, **patterns)


def _merge(around: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Merge rules: what stands inside counts; choices are put together."""
    choices = {**(around.get('choices') or {}), **(inner.get('choices') or {})}
    return {**around, **inner, 'choices': choices or None}


def _check(given: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f'{where} must be a mapping, got {given!r}.')
    for key in given:
        if key not in known:
            raise ValueError(f'{where} takes no {key!r}. {suggest(str(key), known)}')
    check_rule_values(given, f'{where}: ')


def _check_counts(counts: Any, where: str) -> None:
    numbers = counts.values() if isinstance(counts, Mapping) else [counts]
    if counts is not None and not all(map(is_whole, numbers)):
        raise ValueError(
            f'{where}: counts={counts!r} must be a number of pairs, or one for each label.'
        )


def _fits(layout: Layout, root: Path, place: str) -> bool:
    """Tell whether there are degraded images, and a folder of clean ones."""
    choices = layout.rules.get('choices', {})
    target = _join(place, layout.target)
    for folder in find_folders(root, _join(place, layout.input), choices):
        clean = partner_folder(root, target, folder.values, choices)
        other = clean is not None and clean != folder.path
        if (other or layout.clean_only) and holds_images(folder.path):
            return True
    return False


def _join(place: str, pattern: str) -> str:
    parts: Iterator[str] = itertools.chain(place.split('/'), pattern.split('/'))
    return '/'.join(part for part in parts if part not in ('', '.')) or '.'
