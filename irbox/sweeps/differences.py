"""What differs between two configs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = '-'


def differences(one: Mapping[str, Any], other: Mapping[str, Any], path: str = '') -> list[str]:
    """List the places where nested mappings differ, such as ``model.network.dim: 48 -> 8``."""
    found = []
    for key in [*one, *(key for key in other if key not in one)]:
        place = f'{path}.{key}' if path else str(key)
        before, after = one.get(key), other.get(key)
        # Another type is another part, whose arguments are not to be compared.
        if (
            isinstance(before, Mapping)
            and isinstance(after, Mapping)
            and before.get('type') == after.get('type')
        ):
            found += differences(before, after, place)
        elif before != after:
            found.append(f'{place}: {_text(key, one)} -> {_text(key, other)}')
    return found


def _text(key: str, mapping: Mapping[str, Any]) -> str:
    value = mapping.get(key, ABSENT)
    if isinstance(value, Mapping):
        inside = ', '.join(f'{name}: {_text(name, value)}' for name in value if name != 'type')
        if 'type' in value:
            return f'{value["type"]}({inside})' if inside else str(value['type'])
        return f'{{{inside}}}'
    return 'null' if value is None else str(value)
