"""Files of declarations: read, completed by the set that they are like, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from irbox.datasets.pairs.schema import check_rule_values, is_whole
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
    'names',
)
LAYOUT_KEYS = (*RULES, 'inside', 'input', 'target', 'clean')
SPLIT_KEYS = (*RULES, 'inside', 'layouts', 'counts', 'strict', 'half', 'input_psnr')
SET_KEYS = (*SPLIT_KEYS, 'about', 'splits', 'test_set', 'like')


def read_declaration(path: Path) -> dict[str, Any]:
    """Read a declaration; what it does not say is as in the set that it is ``like``.

    Raises:
        ValueError: It is no YAML, or holds what no declaration can.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    check_keys_and_values(content, SET_KEYS, str(path))
    splits = content.get('splits')
    if splits is not None and not isinstance(splits, Mapping):
        raise ValueError(
            f'{path}: splits={splits!r} must be a mapping from names to what is in them.'
        )
    for name, part in (splits or {}).items():
        check_keys_and_values(part, SPLIT_KEYS, f'{path}: splits.{name}')
        check_counts(part.get('counts'), f'{path}: splits.{name}')
    if (like := content.get('like')) is None:
        return dict(content)
    if not (SETS / f'{like}.yaml').is_file():
        known = sorted(file.stem for file in SETS.glob('*.yaml'))
        raise ValueError(f'{path}: no data set is called {like!r}. {suggest(like, known)}')
    base = read_declaration(SETS / f'{like}.yaml')
    inner = base.get('splits') or {}
    own = {name: {**inner.get(name, {}), **part} for name, part in (splits or {}).items()}
    return {**base, **content, 'splits': {**inner, **own}}


def merge_rules(around: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Merge rules: what stands inside counts; choices are put together."""
    choices = {**(around.get('choices') or {}), **(inner.get('choices') or {})}
    return {**around, **inner, 'choices': choices or None}


def check_keys_and_values(given: Any, known: tuple[str, ...], where: str) -> None:
    """Refuse what is no mapping, unknown keys and impossible values.

    Raises:
        ValueError: With the place and the nearest known key.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f'{where} must be a mapping, got {given!r}.')
    for key in given:
        if key not in known:
            raise ValueError(f'{where} takes no {key!r}. {suggest(key, known)}')
    check_rule_values(given, f'{where}: ')


def check_counts(counts: Any, where: str) -> None:
    """Refuse what is neither a number of pairs nor one for each label.

    Raises:
        ValueError: With the place.
    """
    numbers = counts.values() if isinstance(counts, Mapping) else [counts]
    if counts is not None and not all(map(is_whole, numbers)):
        raise ValueError(
            f'{where}: counts={counts!r} must be a number of pairs, or one for each label.'
        )


def total_of(counts: Any) -> int:
    """Sum up the pairs of all labels; 0 where nobody says."""
    return sum(counts.values()) if isinstance(counts, Mapping) else counts or 0
