"""A script of tools, as a module."""

import importlib.util
import sys
from types import ModuleType

from support.paths import TOOLS


def tool_module(name: str) -> ModuleType:
    """Import a script that is no command of the package."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module
