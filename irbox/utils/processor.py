"""What this machine's processor is, and what it knows."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_name() -> str:
    """Name the processor as Linux does; elsewhere, or without such a name, as Python does."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
        return next(line.partition(':')[2].strip() for line in lines if 'model name' in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


ABOUT = 'model name', 'flags', 'Features', 'CPU implementer', 'CPU variant', 'CPU part'
"""Lines of ``/proc/cpuinfo``, of several architectures, that say which instructions there are."""


def processor_features() -> tuple[str, ...]:
    """Say all that tells code for this processor from code for another."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    found = (line for line in lines if line.partition(':')[0].strip() in ABOUT)
    # Those of each kind of core: a processor may have fast and slow ones.
    return processor_name(), *sorted(set(found))
