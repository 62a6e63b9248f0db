"""The machine's C++ compiler."""

from __future__ import annotations

import os
import platform
import shlex
import shutil

COMPILERS = 'c++', 'g++', 'clang++'
FOR_THIS_PROCESSOR = {'x86_64': '-march=native', 'aarch64': '-mcpu=native'}


def find_compiler() -> list[str]:
    """Give the command of a C++ compiler: ``CXX``, which may be several words, else the system's.

    Returns:
        The path of a program, and what it is to be given first (``CXX="ccache g++"``).

    Raises:
        FileNotFoundError: There is none, or the kernels are not for this system.
    """
    if platform.system() != 'Linux' or platform.machine() not in FOR_THIS_PROCESSOR:
        raise FileNotFoundError(f'no kernels for {platform.system()} on {platform.machine()}')
    asked = os.environ.get('CXX', '').strip()
    for name in (asked,) if asked else COMPILERS:
        first, *rest = shlex.split(name)
        if path := shutil.which(first):
            return [path, *rest]
    raise FileNotFoundError(f'no C++ compiler{f" called {asked} (CXX)" if asked else ""}')
