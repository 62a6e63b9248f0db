"""Optional packages: they speak when they are needed, not at import."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
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


def folder_of(module: str, package: str, needed_by: str) -> Path:
    """Find the folder of an optional package, for files that it brings; it is not imported.

    Args:
        module: Import name, of no part of another package.
        package: What ``pip install`` takes.
        needed_by: What the user asked for that needs it.

    Raises:
        ImportError: The package is not installed. The message names the need and the remedy.
    """
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f'{needed_by} needs {module}, which is not installed. '
            f'Install it with: pip install {package}'
        )
    return Path(spec.submodule_search_locations[0])
