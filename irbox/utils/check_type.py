"""Checks values against type annotations, so that a part states a rule once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import annotated_types as at

from irbox.utils.suggest import suggest
from irbox.utils.type_words import (
    BOUNDS,
    UNIONS,
    WORDS,
    bounds,
    choose,
    describe,
    is_list,
    is_path,
    number_as_text,
    show,
)

NONE = type(None)


@dataclass(frozen=True)
class _Misfit:
    """What does not fit: a value, where it stands inside the one that is checked, and why."""

    value: Any
    rule: str
    place: tuple[str, ...] = ()


def check_type(value: Any, declared: Any, place: str, *, remedy: str = '') -> None:
    """Refuse a value that does not fit an annotation.

    Lists and tuples stand for each other, since YAML has only lists. A whole number is a number,
    ``true`` is none, and numbers are finite. Bounds are those of ``annotated_types`` inside
    ``Annotated``; an ``annotated_types.doc`` beside them ends the message. Keys and entries of a
    ``TypedDict`` are checked too. What YAML cannot write (functions, classes) and what has no
    meaning here passes.

    Args:
        value: What a config or a caller gave.
        declared: A resolved annotation, as ``typing.get_type_hints(..., include_extras=True)``
            gives it.
        place: Where the value stands, dotted, for the message.
        remedy: What else to say.

    Raises:
        ValueError: It does not fit; with the full place, the value, the rule and the nearest value.
    """
    misfit = _misfit(value, declared)
    if misfit is not None:
        where = '.'.join((place, *misfit.place))
        raise ValueError(f'{where}: {show(misfit.value)} {misfit.rule} {remedy}'.rstrip())


def takes_text(declared: Any) -> bool:
    """Say whether an annotation has text anywhere in it."""
    if declared is str or is_path(declared) or get_origin(declared) is Literal:
        return True
    return any(map(takes_text, get_args(declared)))


def _misfit(value: Any, hint: Any) -> _Misfit | None:
    hint = getattr(hint, '__supertype__', hint)  # of a NewType
    origin, arguments = get_origin(hint), get_args(hint)
    kind = origin or hint
    if origin in (Required, NotRequired):
        return _misfit(value, arguments[0])
    if origin is Annotated:
        misfit = _misfit(value, arguments[0]) or _out_of_bounds(value, hint)
        return misfit and _with_reasons(misfit, hint)
    if origin is Literal:
        fits = any(type(value) is type(one) and value == one for one in arguments)
        return None if fits else _Misfit(value, choose(value, arguments))
    if origin in UNIONS:
        return _in_union(value, hint)
    if is_typeddict(hint):
        return _in_record(value, hint)
    if kind in WORDS or kind is None:
        return _scalar(value, kind or NONE)
    if is_path(kind):
        fits = isinstance(value, str | os.PathLike)
        return None if fits else _Misfit(value, 'must be a path.')
    if is_list(kind):
        return _in_list(value, hint)
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return _in_mapping(value, hint)
    if _is_tensor(kind) and not isinstance(value, kind):
        return _Misfit(value, 'must be a tensor.')
    return None


def _scalar(value: Any, kind: Any) -> _Misfit | None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    fits, rule = False, f'must be {WORDS[kind]}.'
    if kind is int and number and isinstance(value, Integral):
        fits = -(2**63) <= int(value) < 2**63
        rule = 'must be a whole number that fits into 64 bits.'
    elif kind is float and number:
        fits = _is_finite(value)
        rule = 'must be a finite number.'
    elif kind in (int, float):
        if isinstance(value, str):
            rule = number_as_text(value) or 'is text; a number is needed.'
    else:
        fits = isinstance(value, kind)
        if kind is str and isinstance(value, Real):
            rule = 'must be text: write it in quotes.'
        if kind is bool and isinstance(value, str):
            rule = 'must be true or false, without quotes.'
    return None if fits else _Misfit(value, rule)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_tensor(kind: Any) -> bool:
    # By name: a command's --help need not wait for torch.
    return f'{getattr(kind, "__module__", "")}.{getattr(kind, "__name__", "")}' == 'torch.Tensor'


def _in_union(value: Any, hint: Any) -> _Misfit | None:
    """Say why a value fits none of several annotations: of the one that was meant, if clear."""
    tried = [(one, _misfit(value, one)) for one in get_args(hint)]
    misfits = [misfit for _, misfit in tried if misfit is not None]
    if len(misfits) < len(tried):
        return None
    inside = [misfit for misfit in misfits if misfit.place]
    if len(inside) == 1:
        return inside[0]
    rest = [(one, misfit) for one, misfit in tried if one is not NONE]
    if all(get_origin(one) is Literal for one, _ in rest):
        choices = [choice for one, _ in rest for choice in get_args(one)]
        return _Misfit(
            value, choose(value, [*choices, None] if len(rest) < len(tried) else choices)
        )
    said = [misfit.rule for misfit in misfits if misfit.rule.startswith('is text')]
    # Text that is no number may be meant for something else than a number.
    numbers = sum(one is not bool and not _is_tensor(one) for one, _ in rest)
    if said and ('Write' in said[0] or len(said) == numbers):
        return _Misfit(value, said[0])
    own = [
        misfit
        for one, misfit in rest
        if misfit and not misfit.rule.startswith(f'must be {describe(one)}.')
    ]
    if len(rest) == 1 and own:
        return own[0]
    return _with_reasons(_Misfit(value, f'must be {describe(hint)}.'), hint)


def _in_list(value: Any, hint: Any) -> _Misfit | None:
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    fits = isinstance(value, list | tuple) or (
        isinstance(value, kind) and not isinstance(value, str | bytes | Mapping)
    )
    fixed = kind is tuple and bool(arguments) and arguments[-1] is not Ellipsis
    if not fits and value is not None and arguments and _misfit(value, arguments[0]) is None:
        example = ', '.join([show(value)] * (len(arguments) if fixed else 1))
        return _Misfit(value, f'must be {describe(hint)}, such as [{example}].')
    if not fits or (fixed and len(value) != len(arguments)):
        return _Misfit(value, f'must be {describe(hint)}.')
    if not isinstance(value, list | tuple) or not arguments:
        return None
    declared = arguments if fixed else (arguments[0],) * len(value)
    return _first_inside((str(i), value[i], one) for i, one in enumerate(declared))


def _in_mapping(value: Any, hint: Any) -> _Misfit | None:
    if not isinstance(value, Mapping):
        return _Misfit(value, 'must be a mapping.')
    if len(get_args(hint)) != 2:
        return None
    of_keys, of_values = get_args(hint)
    for key in value:
        misfit = _misfit(key, of_keys)
        if misfit is not None:
            return replace(misfit, rule=f'is a name in it, and {misfit.rule}')
    return _first_inside((str(key), item, of_values) for key, item in value.items())


def _in_record(value: Any, hint: Any) -> _Misfit | None:
    """Say why something is no such ``TypedDict``."""
    if not isinstance(value, Mapping):
        return _Misfit(value, 'must be a mapping.')
    declared = get_type_hints(hint, include_extras=True)
    for key in value:
        if key not in declared:
            rule = f'is no known key. {suggest(str(key), declared)}'
            return _Misfit(key, rule, (str(key),))
    # Where annotations are text, the class itself does not know of NotRequired.
    needed = [
        key
        for key, one in declared.items()
        if key in hint.__required_keys__ and get_origin(one) is not NotRequired
    ]
    for key in needed:
        if key not in value:
            return _Misfit(value, f'needs {key}. Known: {", ".join(declared)}.')
    return _first_inside((str(key), item, declared[key]) for key, item in value.items())


def _first_inside(parts: Iterable[tuple[str, Any, Any]]) -> _Misfit | None:
    for key, item, declared in parts:
        misfit = _misfit(item, declared)
        if misfit is not None:
            return replace(misfit, place=(key, *misfit.place))
    return None


def _out_of_bounds(value: Any, hint: Any) -> _Misfit | None:
    for one in bounds(hint):
        for kind, name, fits, _ in BOUNDS:
            if isinstance(one, kind) and not fits(value, getattr(one, name)):
                return _Misfit(value, f'must be {describe(hint)}.')
    return None


def _with_reasons(misfit: _Misfit, hint: Any) -> _Misfit:
    """Give the same with what an annotation, or those in a union, say of it."""
    if misfit.place:
        return misfit
    several = get_args(hint) if get_origin(hint) in UNIONS else (hint,)
    annotated = [one for one in several if get_origin(one) is Annotated]
    found = [part for one in annotated for part in bounds(one) if isinstance(part, at.DocInfo)]
    return replace(misfit, rule=' '.join([misfit.rule, *(part.documentation for part in found)]))
