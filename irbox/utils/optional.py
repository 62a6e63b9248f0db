"""Optional packages: they speak when they are needed, not at import."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, package: str | None = None, needed_by: str) -> ModuleType:
    """Import an optional module, or say how to install it.

    Args:
        module: Import name, such as ``'open_clip'``.
        package: What ``pip install`` takes where it differs from the import name, such as
            ``'open_clip_torch'``.
        needed_by: What the user asked for that needs it.

    Raises:
        ImportError: The module cannot be imported. The message names the need and the remedy.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{needed_by} needs {module} ({error}). '
            f'Install it with: pip install {package or module}'
        ) from error
