"""What the keys of a data source may hold: asked before anything looks into a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def is_list(value: Any) -> bool:
    """Tell whether it is a list, which a text is not."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def is_whole(value: Any) -> bool:
    """Tell whether it is a whole number, which yes and no are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _path(value: Any) -> bool:
    return _text(value) or isinstance(value, Path)


def _several(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: is_list(value) and all(map(fits, value))


def _one_or_several(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: fits(value) or _several(fits)(value)


def _pairs(value: Any) -> bool:
    return is_list(value) and all(map(_several(_text), value))


def _choices(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _several(_text)(known)
        or (isinstance(known, Mapping) and all(map(_text, (*known, *known.values()))))
        for known in value.values()
    )


def _ids(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) <= {'pattern', 'first', 'last'}
        and all(is_whole(value.get(key)) for key in ('first', 'last'))
        and value['first'] <= value['last']
        and (value.get('pattern') is None or _text(value['pattern']))
    )


_FOLDER = 'the path of a folder'
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'set': (_text, 'the name of a set, or the path of a declaration'),
    'split': (_text, 'the name of a split'),
    'root': (_path, _FOLDER),
    'input': (_path, _FOLDER),
    'target': (_path, _FOLDER),
    'packed': (_path, _FOLDER),
    'clean': (_path, _FOLDER),
    'inside': (lambda value: value != [] and _one_or_several(_text)(value), 'a folder, or some'),
    'label': (
        lambda value: _text(value) or _pairs(value),
        'a text, or pairs of a regular expression and a text',
    ),
    'pairing': (
        lambda value: value != [] and _one_or_several(lambda v: _text(v) or is_list(v))(value),
        'a list of rules, such as [same_name]',
    ),
    'choices': (
        _choices,
        'a mapping from placeholders to lists of folders, or to mappings from folders to labels, '
        'all of them texts (in quotes, where YAML takes them for something else)',
    ),
    'id_pattern': (_text, 'a regular expression'),
    'exclude_ids': (_ids, '{first: number, last: number}, the second not the smaller'),
    'exclude_ids_from': (_path, _FOLDER),
    'exclude_copies_of': (_one_or_several(_path), 'a folder, or several'),
    'allow_list': (_path, 'the path of a text file'),
    'names': (_text, 'a regular expression'),
    'strict': (lambda value: isinstance(value, bool), 'true or false'),
    'half': (lambda value: value in ('train', 'test'), 'train or test'),
    'input_psnr': (
        lambda value: isinstance(value, Mapping) and set(value) <= {'least', 'most', 'otherwise'},
        '{least: dB} or {most: dB}, with otherwise: the name of a set',
    ),
    'like': (_text, 'the name of a set'),
    'test_set': (_text, 'the name of a set'),
    'only': (_one_or_several(_text), 'a label, or several'),
}


def check_rule_values(given: Mapping[str, Any], where: str = '') -> None:
    """Refuse values that the keys of a source, a layout or a split cannot hold.

    Args:
        given: Key to value; None stands for a key that is not there, and keys that are not known
            are left to others.
        where: Beginning of the message.

    Raises:
        ValueError: With the value, and what it must be.
    """
    for key, (fits, what) in _KINDS.items():
        if given.get(key) is not None and not fits(given[key]):
            raise ValueError(f'{where}{key}={given[key]!r} must be {what}.')


def as_list(value: Any) -> list[Any]:
    """Give one, or several, as several."""
    return list(value) if is_list(value) else [value]
