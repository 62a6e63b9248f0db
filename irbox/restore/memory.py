"""How much memory there is, and how much of it restoring may take."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
CGROUPS = (
    (
        '/sys/fs/cgroup/memory.max',
        '/sys/fs/cgroup/memory.current',
        '/sys/fs/cgroup/memory.stat',
        'inactive_file',
    ),
    (
        '/sys/fs/cgroup/memory/memory.limit_in_bytes',
        '/sys/fs/cgroup/memory/memory.usage_in_bytes',
        '/sys/fs/cgroup/memory/memory.stat',
        'total_inactive_file',
    ),
)
"""Limit and use of a container, and what says how many bytes of the use are files that were read
and can be dropped: versions 2 and 1."""


def parse_memory(text: str | int | float) -> int:
    """Turn ``'3G'``, ``'1.5 GiB'``, ``'800M'`` or a number of bytes into bytes, in powers of 1024.

    Raises:
        ValueError: It is no amount of memory.

    Example:
        >>> parse_memory('1.5 GiB')
        1610612736
    """
    found = re.fullmatch(r'\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*', str(text), re.IGNORECASE)
    amount = float(found[1]) * UNITS[found[2].upper()] if found else 0
    if not 1 <= amount < math.inf:
        raise ValueError(f"max_memory={text!r} is no amount of memory, such as '3G' or '800M'.")
    return int(amount)


def format_memory(amount: float) -> str:
    """Write bytes for people: ``'1.2 GiB'``.

    Example:
        >>> format_memory(parse_memory('3G')), format_memory(800 * 2**20)
        ('3.0 GiB', '800 MiB')
    """
    if amount >= UNITS['G']:
        return f'{amount / UNITS["G"]:.1f} GiB'
    return f'{amount / UNITS["M"]:.0f} MiB'


def free_memory(device: torch.device) -> int:
    """Measure the bytes that a computation on a device may take now.

    On a CPU what the system says can be had without swapping, or what the container leaves where
    that is less; files that the system keeps in memory and can drop are free. On an accelerator
    what no process has taken, and what torch holds in reserve.

    Returns:
        Half of the physical memory where nobody says more.
    """
    if device.type == 'cpu':
        return min([_free_of_system(), *_free_of_containers()])
    if device.type == 'mps':
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    free, _ = torch.accelerator.get_memory_info(device)
    reserve = torch.accelerator.memory_reserved(device) - torch.accelerator.memory_allocated(device)
    return free + reserve


def used_memory(device: torch.device) -> int:
    """Measure the bytes that this process holds now: of the main memory, or of an accelerator's."""
    if device.type == 'mps':
        return torch.mps.driver_allocated_memory()
    if device.type != 'cpu':
        return torch.accelerator.memory_allocated(device)
    status = _read('/proc/self/status')
    found = re.search(r'^VmRSS:\s+(\d+) kB', status, re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    if sys.platform == 'win32':
        return 0
    import resource

    # The largest so far, where the present size is not to be had: never too little.
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == 'darwin' else 1024)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory did not suffice, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # The CPU's allocator and those of some devices raise a plain RuntimeError.
    text = str(error).lower()
    marks = ("can't allocate memory", 'not enough memory', 'out of memory')
    return isinstance(error, RuntimeError) and any(mark in text for mark in marks)


@contextmanager
def naming_memory() -> Iterator[None]:
    """Raise what ONNX Runtime or OpenVINO say of too little memory as ``MemoryError``.

    Their exceptions have no kin of their own.
    """
    try:
        yield
    except Exception as error:
        if 'alloc' in str(error).lower():
            raise MemoryError(str(error).partition('\n')[0]) from error
        raise


def release_memory(device: torch.device) -> None:
    """Give back what torch holds in reserve on an accelerator."""
    if device.type != 'cpu':
        torch.accelerator.empty_cache()


def _free_of_system() -> int:
    found = re.search(r'^MemAvailable:\s+(\d+) kB', _read('/proc/meminfo'), re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    if hasattr(os, 'sysconf') and 'SC_PHYS_PAGES' in os.sysconf_names:
        return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2
    return 4 * UNITS['G']


def _free_of_containers() -> list[int]:
    found = []
    for limit, usage, statistics, droppable in CGROUPS:
        most, used = _read(limit).strip(), _read(usage).strip()
        if most.isdigit() and used.isdigit():
            files = re.search(rf'^{droppable} (\d+)$', _read(statistics), re.MULTILINE)
            held = max(int(used) - (int(files[1]) if files else 0), 0)
            found.append(max(int(most) - held, 0))
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding='utf-8')
    except OSError:
        return ''
