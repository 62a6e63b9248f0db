"""Sources of image pairs as configs describe them: a published set, or two folders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from irbox.datasets.depth_maps import DepthMaps, depth_maps
from irbox.datasets.packed.packed_index import SUFFIX, open_index
from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.pairs.declaration_file import RULES
from irbox.datasets.pairs.file_pairs import FilePairs
from irbox.datasets.pairs.halves import Half, named_half
from irbox.datasets.pairs.image_selection import missing_folder
from irbox.datasets.pairs.look import looks_like_another
from irbox.datasets.pairs.paired_source import PairedSource
from irbox.datasets.pairs.pairs import ImagePair, Pairs
from irbox.datasets.pairs.schema import as_list, check_rule_values, is_list, is_whole
from irbox.datasets.pairs.set_declaration import is_file_name, load_declaration
from irbox.registry import TRANSFORMS, suggest

_FIELDS = [field.name for field in fields(PairedSource) if field.name != 'root']
# What may stand beside either kind.
_COMMON = (*RULES, 'strict', 'exclude_ids_from', 'allow_list', 'only', 'repeat', 'degrade', 'depth')
_PATHS = ('exclude_ids_from', 'allow_list')
# Who says one of these takes images out, and knows that there are fewer.
_SELECTION = (
    'exclude_ids',
    'exclude_ids_from',
    'exclude_copies_of',
    'allow_list',
    'names',
    'choices',
)
# null says that a base's is not wanted, and nothing more.
_PLACES = ('set', 'split', 'root', 'input', 'target', 'packed')


@dataclass(frozen=True)
class DataSource:
    """The pairs of one entry of ``sources``, and what is done with them."""

    name: str
    pairs: Sequence[ImagePair]
    left_out: Mapping[str, int]
    published: Mapping[str, int]
    """Pairs of each label as published, for a set that says so; under ``''``, of all together."""
    title: str
    """Of the set; empty for two folders."""
    repeat: int
    chain: tuple[Any, ...]
    """Degradations that are applied to the degraded images."""
    recipe: str
    """The chain as text: the same for the same degradations."""
    half: Half
    """Whether it is for training or for testing."""
    input_psnr: Mapping[str, Any] | None = None
    """How degraded the set is, see ``looks_like_another``."""
    depth: DepthMaps | None = None
    """Of the clean images, for the degradations."""
    selected: bool = False
    """Whether the entry itself takes images out, so that other counts than published are meant."""

    @property
    def counts(self) -> dict[str, int]:
        """Count the pairs of each label."""
        return dict(sorted(Counter(labels_of(self.pairs).tolist()).items()))

    def differences(self) -> list[str]:
        """Give a sentence for each count, and for a look, that is not as published."""
        found = {**self.counts, '': len(self.pairs)}
        other = looks_like_another(self.pairs, self.input_psnr)
        look = [f'Data source {self.name}: {self.title} is known with {other}'] if other else []
        return look + [
            f'Data source {self.name}: {self.title} is known with {number:,} pairs'
            f'{f" labelled {label}" if label else ""}; {found.get(label, 0):,} were found.'
            for label, number in self.published.items()
            if found.get(label, 0) != number
        ]


def find_source(
    name: str, entry: Mapping[str, Any], data_root: str | Path = '', strict: bool = True
) -> DataSource:
    """Find the pairs that an entry of ``sources`` describes.

    Args:
        name: Of the entry: the label, where nothing else gives one.
        entry: ``set`` (and ``split``, ``root``) or ``input`` and ``target``; ``repeat``,
            ``degrade`` and the rules of ``PairedSource``. Or ``packed``, the folder of what
            ``tools/pack_data.py`` made of such a source, with the first two and ``depth``.
        data_root: Folder that paths are relative to.
        strict: Refuse degraded images without a clean one, instead of leaving them out, unless the
            entry's own ``strict`` or the set's declaration says otherwise.

    Raises:
        FileNotFoundError: A folder does not exist, or holds no layout of the set.
        ValueError: A key, value or rule is wrong, or images are missing.
    """
    what = f'source {name}'
    if not isinstance(entry, Mapping):
        raise ValueError(
            f'{what}: {entry!r} must be a mapping, such as {{set: rain100l, split: train}} or '
            '{input: ..., target: ...}.'
        )
    if not isinstance(data_root, str | Path):
        raise ValueError(f'data_root={data_root!r} must be the path of a folder.')
    entry = {key: value for key, value in entry.items() if value is not None or key not in _PLACES}
    if 'packed' in entry:
        return _packed(name, entry, Path(data_root).expanduser())
    if isinstance(entry.get('exclude_ids'), Mapping):
        keys = ('pattern', 'first', 'last')
        check_keys(f'{what}: exclude_ids', entry['exclude_ids'], keys, keys[1:])
    check_rule_values(entry, f'{what}: ')
    base = Path(data_root).expanduser()
    if entry.get('set') is not None:
        if clash := [key for key in ('input', 'target') if entry.get(key) is not None]:
            raise ValueError(
                f'{what} has `set` and {" and ".join(clash)}: give one or the other. If a base '
                'config left one behind, add `_delete_: true` beside it.'
            )
        check_keys(what, entry, ('set', 'split', 'root', *_COMMON), ())
    else:
        check_keys(what, entry, (*_FIELDS, *_COMMON), ('input', 'target'))
    rules = {key: entry[key] for key in _FIELDS if key in entry}
    for key in _PATHS:
        if rules.get(key) is not None:
            rules[key] = (base / Path(rules[key]).expanduser()).absolute()
    if rules.get('exclude_copies_of'):
        folders = as_list(rules['exclude_copies_of'])
        rules['exclude_copies_of'] = [(base / Path(f).expanduser()).absolute() for f in folders]
        # A declaration names where they may be; a config, where they are.
        for folder in rules['exclude_copies_of']:
            if not folder.is_dir():
                raise missing_folder(folder)
    repeat, chain = _repeat(what, entry), _chain(what, entry)
    title, declared = '', ''
    published: Mapping[str, int] = {}
    others: Mapping[str, int] = {}
    input_psnr: Mapping[str, Any] | None = None
    strict = entry.get('strict', strict)
    if entry.get('set') is not None:
        declaration = load_declaration(entry['set'], entry.get('split'))
        source, clean_only = declaration.find(_root(entry, base), name, rules)
        title, declared, others = declaration.title, declaration.half, declaration.others
        input_psnr = declaration.input_psnr
        strict = entry.get('strict', strict and declaration.strict)
        if clean_only and not chain:
            raise ValueError(
                f'{what}: {title} holds clean images only. Say how to degrade them, such as '
                '`degrade: {type: GaussianNoise, sigma: 25}`.'
            )
    else:
        for key in ('input', 'target'):
            rules[key] = Path(rules[key]).expanduser()
        given_rules = {key: value for key, value in rules.items() if value is not None}
        # The base is a path and no part of the patterns: it may have braces.
        source = PairedSource(**{'label': name, 'root': base, **given_rules})
    pairs, left_out = source.find_pairs(strict)
    depth = _depth(what, entry, base, chain, pairs)
    if title:
        labels_as_declared = 'label' not in entry and entry.get('choices') is None
        published = declaration.published(labels_as_declared, source.only and as_list(source.only))
    recipe = _recipe(entry)
    folder = pairs[0].degraded.parent
    named = named_half(folder, base)
    half = Half(name, title, declared, named, folder, len(pairs), others)
    selected = any(entry.get(key) for key in _SELECTION)
    return DataSource(
        name,
        pairs,
        left_out,
        published,
        title,
        repeat,
        chain,
        recipe,
        half,
        input_psnr,
        depth,
        selected,
    )


def labels_of(pairs: Sequence[ImagePair]) -> np.ndarray:
    """Give the label of each pair, (N,) of text."""
    if isinstance(pairs, PackedPairs | FilePairs):
        return pairs.all_labels()
    return np.array([pair.label for pair in pairs], dtype=np.str_)


def _packed(name: str, entry: Mapping[str, Any], base: Path) -> DataSource:
    what = f'source {name}'
    check_keys(what, entry, ('packed', 'repeat', 'degrade', 'depth'), ())
    check_rule_values(entry, f'{what}: ')
    folder = base / Path(entry['packed']).expanduser()
    if folder.suffix != SUFFIX:
        raise ValueError(
            f'{what}: packed={str(entry["packed"])!r} must be a folder whose name ends in {SUFFIX}.'
        )
    pairs = PackedPairs(folder)
    about = open_index(folder).about
    half = Half(name, about['title'], about['declared'], about['named'], folder, len(pairs), {})
    repeat, chain = _repeat(what, entry), _chain(what, entry)
    return DataSource(
        name,
        pairs,
        {},
        {},
        about['title'],
        repeat,
        chain,
        _recipe(entry),
        half,
        depth=_depth(what, entry, base, chain, pairs),
    )


def _depth(
    what: str, entry: Mapping[str, Any], base: Path, chain: Sequence[Any], pairs: Pairs
) -> DepthMaps | None:
    depth = depth_maps(what, entry.get('depth'), base)
    if depth and not chain:
        raise ValueError(f'{what}: depth is for `degrade`, which is not there.')
    if depth:
        depth.check([pair.degraded for pair in pairs])
    return depth


def _recipe(entry: Mapping[str, Any]) -> str:
    return json.dumps(_as_floats(entry.get('degrade') or []), sort_keys=True, default=str)


def check_keys(
    what: str, given: Mapping[str, Any], known: Sequence[str], needed: Sequence[str]
) -> None:
    """Refuse unknown and missing keys.

    Raises:
        ValueError: There are some.
    """
    for key in given:
        if key not in known:
            raise ValueError(f'{what} takes no {key!r}. {suggest(str(key), set(known))}')
    missing = [key for key in needed if given.get(key) is None]
    if missing:
        raise ValueError(f'{what} needs {" and ".join(missing)}.')


def _root(given: Mapping[str, Any], base: Path) -> Path:
    """Locate a set: what is said; the folder of a declaration of one's own; else its name."""
    if given.get('root') is not None:
        return base / Path(given['root']).expanduser()
    if is_file_name(given['set']):
        return Path(given['set']).expanduser().parent
    return base / Path(given['set'])


def _repeat(what: str, given: Mapping[str, Any]) -> int:
    count: int = given.get('repeat', 1)
    if not is_whole(count) or count < 1:
        raise ValueError(f'{what}: repeat={count!r} must be a whole number of at least 1.')
    return count


def _chain(what: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    steps = as_list(given.get('degrade') or [])
    for step in steps:
        if not isinstance(step, Mapping) or 'type' not in step:
            raise ValueError(
                f'{what}: degrade={given["degrade"]!r} must be a degradation, such as '
                '{type: GaussianNoise, sigma: 25}, or a list of them.'
            )
    return tuple(map(TRANSFORMS.build, steps))


def _as_floats(value: Any) -> Any:
    """Make all numbers floats, so that 25 and 25.0 are the same strength."""
    if isinstance(value, Mapping):
        return {key: _as_floats(item) for key, item in value.items()}
    if is_list(value):
        return [_as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
