"""Driving a run: what is built from a config's sections, and the Runner that trains and tests it.

Light on purpose: the pieces that mmengine's Runner is built from are in ``hooks``, ``loops`` and
``optim``, and are imported on the first build.
"""

import warnings
from typing import Any

from irbox.utils.moved_modules import accept_old_names

accept_old_names()


def __getattr__(name: str) -> Any:
    if name == 'load_plugins':
        from irbox.config import load_plugins

        warnings.warn(
            'load_plugins is now in irbox.config. The old place goes with the next version.',
            DeprecationWarning,
            stacklevel=2,
        )
        return load_plugins
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
