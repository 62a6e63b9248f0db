"""Memory that is kept instead of being new for every tensor."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's ``malloc.h``."""
MOST = 2**31 - 1
"""What glibc's threshold, an int, can hold."""
_kept = [False]


def keep_memory(most: int = MOST) -> bool:
    """Tell glibc to keep the memory of freed tensors for the next ones.

    By default it gives blocks of 32 MiB and more back to the system at once, and smaller ones where
    much is free: every operation on a large map then pays for new pages, which can take longer than
    its arithmetic. The call holds for the whole process from then on, which so stays near its peak;
    ``release_kept_memory`` gives back what is free.

    Args:
        most: Bytes that may be free at the heap's end before it is given back; at most 2 GiB, which
            is what glibc can be told.

    Returns:
        Whether it was done: elsewhere than on glibc nothing is.

    Raises:
        ValueError: ``most`` is negative or above 2 GiB - 1.
    """
    if not 0 <= most <= MOST:
        raise ValueError(f'most={most} must be bytes between 0 and {MOST}.')
    libc = _glibc()
    if libc is None:
        return False
    _kept[0] = bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, most))
    return _kept[0]


def keeps_memory() -> bool:
    """Tell whether ``keep_memory`` was called in this process, and could do it."""
    return _kept[0]


def release_kept_memory() -> bool:
    """Give the memory that is free inside the process back to the system, on glibc.

    Returns:
        Whether any was.
    """
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith('linux'):
        return None
    try:
        name = os.confstr('CS_GNU_LIBC_VERSION')
    except (ValueError, OSError):  # a C library that is not GNU's
        return None
    return ctypes.CDLL(None) if name and name.startswith('glibc') else None
