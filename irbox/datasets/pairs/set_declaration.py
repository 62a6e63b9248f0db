"""Published data sets, each declared in a YAML file: where its archive has what, by which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irbox.datasets.pairs.declaration_file import (
    LAYOUT_KEYS,
    RULES,
    SETS,
    check_counts,
    check_keys_and_values,
    merge_rules,
    read_declaration,
    total_of,
)
from irbox.datasets.pairs.halves import half_of_name, same_count
from irbox.datasets.pairs.image_folders import subfolders
from irbox.datasets.pairs.layout import Layout
from irbox.datasets.pairs.paired_source import PairedSource
from irbox.datasets.pairs.schema import as_list, is_list
from irbox.registry import suggest


@dataclass(frozen=True)
class SetDeclaration:
    """A split of a data set: the layouts that it comes in and how many images were published."""

    title: str
    about: str
    layouts: tuple[Layout, ...]
    counts: int | Mapping[str, int] | None = None
    """Pairs as published, of each label if they are told apart; None where nobody says."""
    half: str = ''
    """``train`` or ``test``: what it is published for; empty where it is for either."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Titles of the set's splits for the other use, to their pairs as published."""
    strict: bool = True
    """Whether every degraded image has a clean one, as published."""
    input_psnr: Mapping[str, Any] | None = None
    """What tells it from a set of the same names, see ``looks_like_another``."""

    def find(self, root: Path, label: str, changes: Mapping[str, Any]) -> tuple[PairedSource, bool]:
        """Find the source in a folder, by the first layout that fits.

        Args:
            root: Folder of the set.
            label: The degradation, where neither the declaration nor a change names one.
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
            place, layout = fitting
            given = {**layout.rules, **changes}.get('label')
            source = layout.source(root, place, {**changes, 'label': given or label})
            return source, layout.clean_only
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
        return {'': total_of(self.counts)}

    def _fitting(self, root: Path) -> tuple[str, Layout] | None:
        # By place first: a folder `train` counts more than what may lie beside it.
        for turn in range(max(len(layout.inside) for layout in self.layouts)):
            for layout in self.layouts:
                if turn < len(layout.inside) and layout.fits(root, layout.inside[turn]):
                    return layout.inside[turn], layout
        return None

    def _nothing_fits(self, root: Path) -> str:
        known = ''.join(f'\n  {layout}' for layout in self.layouts)
        folders = subfolders(root)
        has = ', '.join(folders[:10]) + (', ...' if len(folders) > 10 else '') or 'no folders'
        return (
            f'{root} holds none of the layouts of {self.title}. Looked for{known}\n'
            f'It has {has}. {self._advice(root, folders)}'
        )

    def _advice(self, root: Path, folders: Sequence[str]) -> str:
        """Say which folder to take: never one of the other half."""
        fitting = [name for name in folders if self._fitting(root / name) is not None]
        against = {name: self._objection(root / name) for name in fitting}
        offered = [name for name in fitting if not against[name]]
        if offered:
            return f'{root / offered[0]} fits: set root to it.'
        withheld = ''.join(
            f'{root / name} fits, but it {reason}, so it is not offered'
            f'{" for " + self.title if self.half else ""}. '
            for name, reason in list(against.items())[:3]
        )
        return (
            f'{withheld}Set root to the folder that holds one of these, give `input` and `target` '
            'instead of `set`, or declare your layout in a YAML file (docs/datasets.md).'
        )

    def _objection(self, folder: Path) -> str:
        """Say why a folder that fits is of the other half; nothing, if it may be of this one."""
        # Where a set is for either, nobody knows here whether it is trained on.
        named = half_of_name(folder.name)
        if named and named != (self.half or 'train'):
            return f'is named for {"testing" if named == "test" else "training"}'
        place, layout = self._fitting(folder) or ('', self.layouts[0])
        try:
            pairs, _ = layout.source(folder, place, {'label': 'any'}).find_pairs(strict=False)
        except (ValueError, OSError):
            return ''
        same = same_count(len(pairs), self.others)
        return f'holds {len(pairs):,} pairs, as many as {same[0]}' if same else ''


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
    content = read_declaration(path)
    splits = content.get('splits')
    if splits and split not in splits:
        raise ValueError(f'set {title} needs a split, got {split!r}. {suggest(str(split), splits)}')
    if split is not None and not splits:
        raise ValueError(f'set {title} has no splits: take `split: {split}` away.')
    part = splits[split] if splits else {}
    where = f'{path}: splits.{split}' if splits else str(path)
    merged = merge_rules(content, part)
    check_counts(merged.get('counts'), where)
    if not merged.get('layouts') or not is_list(merged['layouts']):
        raise ValueError(f'{where} needs `layouts`: a list of mappings with `input` and `target`.')
    layouts = tuple(
        _layout(layout, merged, f'{where}: layouts.{i}')
        for i, layout in enumerate(merged['layouts'])
    )
    about = ' '.join(str(content.get('about', '')).split())
    full = f'{title} ({split})' if split else title
    half = _half(merged, split)
    others = {
        f'{title} ({other})': total
        for other, inner in (splits or {}).items()
        if {half, _half(merge_rules(content, inner), other)} == {'train', 'test'}
        and (total := total_of(inner.get('counts')))
    }
    if half == 'train' and (test_set := content.get('test_set')) is not None:
        others[test_set] = total_of(load_declaration(test_set).counts)
    return SetDeclaration(
        full,
        about,
        layouts,
        counts=merged.get('counts'),
        half=half,
        others=others,
        strict=merged.get('strict', True),
        input_psnr=merged.get('input_psnr'),
    )


def is_file_name(name: str) -> bool:
    """Tell whether the name of a set is the path of a declaration."""
    return name.endswith(('.yaml', '.yml'))


def _layout(given: Any, around: Mapping[str, Any], where: str) -> Layout:
    check_keys_and_values(given, LAYOUT_KEYS, where)
    named = {key for key in ('clean', 'input', 'target') if given.get(key) is not None}
    if named not in ({'clean'}, {'input', 'target'}):
        raise ValueError(f'{where} needs `input` and `target`, or `clean` for clean images alone.')
    inside = as_list(given.get('inside') or around.get('inside') or '.')
    merged = merge_rules(around, given)
    rules = {key: merged[key] for key in RULES if merged.get(key) is not None}
    patterns = {key: given.get('clean') or given[key] for key in ('input', 'target')}
    if absolute := [p for p in patterns.values() if Path(p).is_absolute()]:
        raise ValueError(f'{where}: {absolute[0]} must be a path below the folder of the set.')
    try:
        PairedSource(**{'label': 'any', **patterns, **rules})
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
    return Layout(tuple(inside), rules=rules, clean_only='clean' in named, **patterns)


def _half(given: Mapping[str, Any], split: str | None) -> str:
    """Tell what a split is for: what it says, or what it is named for."""
    return given.get('half') or half_of_name(split or '')
