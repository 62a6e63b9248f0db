"""Type annotations, and values of configs, in words for messages."""

from __future__ import annotations

import math
import os
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

import annotated_types as at

EXPONENT = re.compile(r'[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][+-]?\d+')
"""A number with an exponent, of which YAML reads many as text."""

WORDS: dict[Any, str] = {
    int: 'a whole number',
    float: 'a number',
    bool: 'true or false',
    str: 'text',
    type(None): 'null',
}
# What a bound of annotated_types demands, and how it is said.
BOUNDS: tuple[tuple[type, str, Callable[[Any, Any], bool], str], ...] = (
    (at.Gt, 'gt', lambda value, bound: value > bound, 'above {}'),
    (at.Ge, 'ge', lambda value, bound: value >= bound, 'of at least {}'),
    (at.Lt, 'lt', lambda value, bound: value < bound, 'below {}'),
    (at.Le, 'le', lambda value, bound: value <= bound, 'of at most {}'),
    (at.MultipleOf, 'multiple_of', lambda value, bound: value % bound == 0, 'divisible by {}'),
    (at.MinLen, 'min_length', lambda value, bound: len(value) >= bound, 'of at least {}'),
    (at.MaxLen, 'max_length', lambda value, bound: len(value) <= bound, 'of at most {}'),
)
LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
UNIONS = (Union, types.UnionType)


def show(value: Any) -> str:
    """Show a value as a config would write it, not too long."""
    if value is None or isinstance(value, bool):
        return {None: 'null', True: 'true', False: 'false'}[value]
    text = repr(value)
    return text if len(text) <= 120 else f'{text[:100]} ... {text[-15:]}'


def choose(value: Any, choices: Sequence[Any]) -> str:
    """Say that a value is none of several, which is nearest, and which there are."""
    known = [one for one in choices if isinstance(one, str)]
    near = get_close_matches(value, known, n=1) if isinstance(value, str) else []
    hint = f'Did you mean {near[0]!r}? ' if near else ''
    return f'is unknown. {hint}Choose {join_words(map(show, choices))}.'


def number_as_text(text: str) -> str | None:
    """Say what to write for a number that YAML read as text; None where it is no number."""
    try:
        value = float(text.replace('_', ''))
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    mantissa, _, exponent = f'{value:e}'.partition('e')
    mantissa = mantissa.rstrip('0')
    better = f'{mantissa}{"0" if mantissa.endswith(".") else ""}e{int(exponent):+d}'
    if not EXPONENT.fullmatch(text):
        better = text.strip() if re.fullmatch(r'\s*-?\d+\s*', text) else repr(value)
    return (
        'is text, not a number. YAML reads a number with an exponent only with a decimal point and '
        f'a sign, and nothing in quotes. Write {better}.'
    )


def bounds(hint: Any) -> Iterator[Any]:
    """List the bounds and other metadata of an ``Annotated``, one by one."""
    for one in hint.__metadata__:
        yield from one if isinstance(one, at.GroupedMetadata) else (one,)


def describe(hint: Any) -> str:
    """Put an annotation into words: 'a whole number above 0'."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [
            text.format(getattr(one, name))
            for one in bounds(hint)
            for kind, name, _, text in BOUNDS
            if isinstance(one, kind)
        ]
        return f'{describe(arguments[0])} {" and ".join(said)}'.rstrip()
    if origin is Literal:
        return join_words(map(show, arguments))
    if origin in UNIONS:
        return join_words(map(describe, arguments))
    kind = origin or hint
    if kind in WORDS:
        return WORDS[kind]
    if is_path(kind):
        return 'a path'
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return f'a list of {len(arguments)}'
    if is_list(kind):
        return 'a list'
    if not isinstance(kind, type) or is_typeddict(kind) or issubclass(kind, Mapping):
        return 'a mapping'
    return f'a {kind.__name__}'


def is_path(kind: Any) -> bool:
    """Tell whether a class is one of paths."""
    return kind is os.PathLike or (isinstance(kind, type) and issubclass(kind, PurePath))


def is_list(kind: Any) -> bool:
    """Tell whether a class is one that a list of YAML stands for."""
    return kind in LISTS or (isinstance(kind, type) and issubclass(kind, list | tuple))


def join_words(words: Iterable[str]) -> str:
    """Join alternatives, each once: 'a, b or c'."""
    *first, last = dict.fromkeys(words)
    return f'{", ".join(first)} or {last}' if first else last
