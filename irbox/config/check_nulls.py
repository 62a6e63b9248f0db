"""Names that are set to null: each must take something away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from irbox.registry import suggest

# Where names are the user's own: of losses, sources, sets. Elsewhere unknown keys are refused.
SECTIONS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader')


def names_set_to_null(config: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """List the keys of all nulls that stand for a named thing that is not wanted.

    They stand beside mappings in one that is no part itself: such as ``losses: {balance: null}``.
    """
    return [
        keys
        for section in SECTIONS
        for keys in nulls_of(config.get(section, {}), (section,))
        if is_named(config, keys)
    ]


def check_null(keys: tuple[str, ...], known: Collection[str]) -> None:
    """Refuse a null for a name that there is not, with which an ablation would be none.

    Args:
        keys: Of the null.
        known: Names that there are beside it.

    Raises:
        ValueError: The name is not known.
    """
    if keys[-1] not in known:
        raise ValueError(
            f'{".".join(keys)}: null takes away what a base config has, and none has '
            f'{keys[-1]!r}. {suggest(keys[-1], known)} Correct the name, or remove the line.'
        )


def names_at(config: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    """Give what stands beside a key, itself included; empty where there is no such mapping."""
    owner: Any = config
    for key in keys[:-1]:
        owner = owner.get(key) if isinstance(owner, Mapping) else None
    return owner if isinstance(owner, Mapping) else {}


def is_named(config: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    """Tell whether a null at a place would take a named thing away."""
    return keys[0] in SECTIONS and _holds_names(names_at(config, keys))


def _holds_names(owner: Mapping[str, Any]) -> bool:
    """Tell whether a mapping's keys name things: it is no part, no loader, no options."""
    values = [value for value in owner.values() if value is not None]
    return (
        not {'type', 'dataset'} & set(owner)
        and any(isinstance(value, Mapping) for value in values)
        and all(isinstance(value, Mapping | list | tuple) for value in values)
    )


def nulls_of(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """List the keys of all nulls in what is merged at a place."""
    if value is None:
        yield keys
    elif isinstance(value, Mapping) and '_delete_' not in value:
        for key, item in value.items():
            yield from nulls_of(item, (*keys, str(key)))
