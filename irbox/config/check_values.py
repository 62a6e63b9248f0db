"""What parts of a config may hold: arguments that classes take, and numbers that are numbers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from mmengine.registry import Registry

from irbox import registry as registries
from irbox.registry import find_part, known_names, part_kinds, suggest
from irbox.utils.plugin_imports import import_all_installed

EXPONENT = re.compile(r'[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][+-]?\d+')
# Words of annotations that allow no text.
NUMERIC = {'int', 'float', 'bool', 'None', 'Optional', 'Union', 'typing', 'torch', 'Tensor'}
# What mmengine makes of a quoted {{_base_.name}}.
PLACEHOLDER = re.compile(r'"_\w[\w.]*_[0-9a-f]{6}"')


def join(path: str, key: Any) -> str:
    """The dotted path of an entry."""
    return f'{path}.{key}' if path else str(key)


def check_keys(given: Mapping[str, Any], known: Collection[str], path: str) -> None:
    """Refuse a key that means nothing, naming the nearest that does."""
    for key in given:
        if key not in known:
            raise ValueError(f'{join(path, key)}: unknown key {key!r}. {suggest(str(key), known)}')


def check_values(value: Any, path: str = '') -> None:
    """Refuse what is garbage wherever it stands: left-over ``_delete_``, ``{{``, dotted types.

    Raises:
        ValueError: With the dotted path of the value, and what to write instead.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            place = join(path, key)
            if key == '_delete_':
                raise ValueError(
                    f'{place}: there is nothing in the base configs to delete here. '
                    'Remove `_delete_`, or correct the name of the key that holds it.'
                )
            if key == 'type' and isinstance(item, str) and '.' in item:
                raise ValueError(
                    f'{place}: dotted type names ({item!r}) are refused, since they would import '
                    'and call any code. Register the part and use its plain name.'
                )
            check_values(item, place)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_values(item, join(path, index))
    elif isinstance(value, str) and ('{{' in value or '}}' in value or PLACEHOLDER.search(value)):
        raise ValueError(
            f'{path}: {value!r} is a reference that was not replaced. Write {{{{_base_.name}}}} '
            'alone and without quotes.'
        )


def check_part(
    value: Any,
    path: str,
    registry: Registry,
    *,
    injected: Iterable[str] = (),
    extra: Iterable[str] = (),
    default: str | None = None,
) -> None:
    """Check a mapping with ``type``: a known name, known arguments, and so on inside them.

    Args:
        value: What the config says.
        path: Where it says so.
        registry: Where the type is looked up.
        injected: Arguments that the program sets and a config may not.
        extra: Keys that are no arguments but are allowed.
        default: The type where none is given; without it a type is needed.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f'{path}: a {registry.name} is a mapping with `type`, got {value!r}.')
    name = value.get('type', default)
    if name is None:
        hint = suggest('type', value) if value else ''
        raise ValueError(f'{path}: a {registry.name} needs the key `type`. {hint}'.rstrip())
    try:
        part = find_part(name, registry)
    except ValueError as error:
        raise ValueError(f'{join(path, "type")}: {error}') from error
    _check_arguments(value, path, part, str(name), registry.name, set(injected), set(extra))


def check_nested(value: Any, path: str, text_allowed: bool = False) -> None:
    """Check every part inside a value, whatever its kind, and every number."""
    if isinstance(value, Mapping):
        kind = _kind_at(path)
        if 'type' in value or (kind is not None and value):
            _check_any_part(value, path, kind)
            return
        for key, item in value.items():
            check_nested(item, join(path, key), text_allowed)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_nested(item, join(path, index), text_allowed)
    elif isinstance(value, str) and not text_allowed and EXPONENT.fullmatch(value):
        _refuse_number(value, path)


def arguments_of(part: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], bool]:
    """Arguments that a class or function takes, and whether it refuses all others.

    ``**kwargs`` are followed to the base class that they are passed on to.
    """
    taken: dict[str, inspect.Parameter] = {}
    for init in _constructors(part):
        open_ended = False
        for parameter in list(inspect.signature(init).parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                taken.setdefault(parameter.name, parameter)
        if not open_ended:
            return taken, True
    # mmengine's classes keep unknown arguments and fail with them much later.
    return taken, part.__module__.split('.')[0] == 'mmengine'


def _constructors(part: Callable[..., Any]) -> Iterable[Callable[..., Any]]:
    if not inspect.isclass(part):
        return [_as_method(part)]
    own = [base.__dict__['__init__'] for base in part.__mro__[:-1] if '__init__' in base.__dict__]
    # A class without any constructor takes nothing.
    return own or [lambda self: None]


def _as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A stand-in whose first parameter is skipped like ``self``."""

    def method() -> None: ...

    parameters = list(inspect.signature(function).parameters.values())
    first = inspect.Parameter('self', inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    return method


def _kind_at(path: str) -> Registry | None:
    """What kind of part stands at a place, as far as the keys tell."""
    one = {key: kind.registry for kind in part_kinds() for key in kind.keys}
    several = {key: kind.registry for kind in part_kinds() for key in kind.collections}
    keys = path.split('.')
    while keys[-1].isdigit():
        if keys[-2] in several:
            return several[keys[-2]]
        keys.pop()
    if keys[-1] in one:
        return one[keys[-1]]
    return several.get(keys[-2]) if len(keys) > 1 and keys[-1] not in several else None


def _check_any_part(value: Mapping[str, Any], path: str, kind: Registry | None) -> None:
    """Check a part of a kind, or of the kind that knows its name."""
    if kind is not None:
        check_part(value, path, kind)
        return
    name = value['type']
    kinds = [kind.registry for kind in part_kinds() if kind.keys or kind.collections]
    if not any(name in known_names(registry) for registry in kinds):
        import_all_installed(registries.our_registries())
    for registry in kinds:
        if name in known_names(registry):
            check_part(value, path, registry)
            return
    own = {known for registry in kinds for known in registry.module_dict}
    raise ValueError(f'{join(path, "type")}: no part is called {name!r}. {suggest(str(name), own)}')


def _check_arguments(
    value: Mapping[str, Any],
    path: str,
    part: Callable[..., Any],
    name: str,
    kind: str,
    injected: set[str],
    extra: set[str],
) -> None:
    taken, closed = arguments_of(part)
    for key, item in value.items():
        place = join(path, key)
        if key == 'type' or key in extra:
            continue
        if key in injected:
            raise ValueError(f'{place}: {key!r} is set by the program. Remove it from the config.')
        if key not in taken:
            if closed:
                told = {
                    a for one in part_kinds() if one.registry.name == kind for a in one.injected
                }
                known = (set(taken) - injected - told) | extra
                raise ValueError(
                    f'{place}: {kind} {name} takes no argument {key!r}. {suggest(key, known)} If a '
                    'base config left it behind, add `_delete_: true` beside `type`.'
                )
            check_nested(item, place)
            continue
        declared = _declaration(taken[key])
        if isinstance(item, str) and 'str' not in declared and declared & {'int', 'float'}:
            _check_number(item, place, declared)
        check_nested(item, place, text_allowed='str' in declared)


def _declaration(parameter: inspect.Parameter) -> set[str]:
    """Words of a parameter's annotation, or the kind of its default where it has none."""
    if parameter.annotation is not parameter.empty:
        annotation = parameter.annotation
        text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        return set(re.findall(r'\w+', text))
    if parameter.default is parameter.empty or parameter.default is None:
        return set()
    return {type(parameter.default).__name__}


def _check_number(text: str, path: str, declared: set[str]) -> None:
    try:
        float(text.replace('_', ''))
    except ValueError:
        if declared <= NUMERIC:
            raise ValueError(f'{path}: {text!r} is text; a number is needed.') from None
        return
    _refuse_number(text, path)


def _refuse_number(text: str, path: str) -> None:
    value = float(text.replace('_', ''))
    mantissa, _, exponent = f'{value:e}'.partition('e')
    mantissa = mantissa.rstrip('0')
    better = f'{mantissa}{"0" if mantissa.endswith(".") else ""}e{int(exponent):+d}'
    if not EXPONENT.fullmatch(text):
        better = repr(value)
    raise ValueError(
        f'{path}: {text!r} is text, not a number. YAML reads a number with an exponent only with a '
        f'decimal point and a sign, and nothing in quotes. Write {better}.'
    )
