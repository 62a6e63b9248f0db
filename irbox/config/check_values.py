"""What parts of a config may hold: arguments that classes take, and numbers that are numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.registry import Registry

from irbox import registry as registries
from irbox.registry import (
    arguments_told,
    find_part,
    known_names,
    part_kinds,
    refuse_dotted,
    suggest,
)
from irbox.utils.part_arguments import arguments_of, check_arguments
from irbox.utils.plugin_imports import import_all_installed
from irbox.utils.type_words import EXPONENT, number_as_text

# What mmengine makes of a quoted {{_base_.name}}.
PLACEHOLDER = re.compile(r'"_\w[\w.]*_[0-9a-f]{6}"')


def join(path: str, key: Any) -> str:
    """Write the dotted path of an entry."""
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
            if key == 'type' and isinstance(item, str):
                refuse_dotted(item, place)
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
    injected: Collection[str] = (),
    extra: Collection[str] = (),
    default: str | None = None,
) -> None:
    """Check a mapping with ``type``: a known name, known arguments, their types, all inside them.

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
    arguments = {key: item for key, item in value.items() if key != 'type'}
    check_arguments(
        name,
        part,
        arguments,
        registry.name,
        injected=injected,
        hidden=arguments_told(registry.name),
        extra=extra,
        place=path,
    )
    parameters, _ = arguments_of(part)
    for key, item in arguments.items():
        if key not in extra:
            check_nested(item, join(path, key), key in parameters and parameters[key].takes_text)


def check_nested(value: Any, path: str, text_allowed: bool = False) -> None:
    """Check every part inside a value, whatever its kind, and every number."""
    if isinstance(value, Mapping):
        kind = _kind_at(path)
        if 'type' in value or kind is not None:
            _check_any_part(value, path, kind)
            return
        for key, item in value.items():
            check_nested(item, join(path, key), text_allowed)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_nested(item, join(path, index), text_allowed)
    elif isinstance(value, str) and not text_allowed and EXPONENT.fullmatch(value):
        raise ValueError(f'{path}: {value!r} {number_as_text(value)}')


def check_losses(losses: Any, path: str) -> None:
    """Refuse losses of which none compares the restored image with the clean one.

    A loss that judges something else says ``compares_images = False``.
    """
    parts = [loss for loss in (losses or {}).values() if loss is not None]
    classes = [find_part(loss['type'], registries.LOSSES) for loss in parts]
    if classes and not any(getattr(one, 'compares_images', True) for one in classes):
        names = ' or '.join(dict.fromkeys(loss['type'] for loss in parts))
        raise ValueError(
            f'{path}: {names} compares no images, and a network learns to restore by a loss that '
            'does. Add one, such as pixel: {type: L1Loss}.'
        )


def _kind_at(path: str) -> Registry | None:
    """Tell what kind of part stands at a place, as far as the keys tell."""
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
    if not isinstance(name, str):
        raise ValueError(f'{join(path, "type")}: the type of a part must be a name, got {name!r}.')
    kinds = [kind.registry for kind in part_kinds() if kind.keys or kind.collections]
    if not any(name in known_names(registry) for registry in kinds):
        import_all_installed(registries.our_registries())
    for registry in kinds:
        if name in known_names(registry):
            check_part(value, path, registry)
            return
    own = {known for registry in kinds for known in registry.module_dict}
    raise ValueError(f'{join(path, "type")}: no part is called {name!r}. {suggest(str(name), own)}')
