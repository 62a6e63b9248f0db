"""One ``data_root`` for all data sets of a config."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from mmengine.config import Config

SECTIONS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def spread_data_root(config: Config) -> None:
    """Give the config's own ``data_root`` to every data set that has one, in place.

    Raises:
        ValueError: It is no path, or no data set has one.
    """
    if 'data_root' not in config:
        return
    root = config.data_root
    if not isinstance(root, str) or not root:
        raise ValueError(f'data_root={root!r} must be the path of a folder.')
    with_roots = [
        inner
        for section in SECTIONS
        for inner in _mappings(config.get(section))
        if inner.get('type') is not None and 'data_root' in inner
    ]
    if not with_roots:
        raise ValueError(
            f'data_root={root!r}: no data set of this config has a data_root, so that it would '
            'change nothing. Write it into the `dataset` that it is for.'
        )
    for inner in with_roots:
        inner['data_root'] = root
    config.pop('data_root')


def _mappings(value: Any) -> Iterator[MutableMapping[str, Any]]:
    if isinstance(value, MutableMapping):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _mappings(inner)
