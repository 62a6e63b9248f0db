"""Python's garbage collector, kept from walking through what stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no garbage for as long as a program builds itself up; afterwards as before.

    Packages and networks make hundreds of thousands of objects that stay. The collector, which goes
    by how many there are, would walk through all of them again and again and find nothing. Only for
    what ends soon: garbage in circles is kept meanwhile.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@contextmanager
def collector_spared() -> Iterator[None]:
    """Look for garbage among what is made from here on, not in what is there; afterwards as before.

    For long work on what stands, such as a training: also inside ``collector_paused``. A process
    that is forked meanwhile shares the memory of what is there, which the collector would write to.
    Where something is frozen already, by an outer call or by ``gc.freeze``, nothing more is: it
    could not be thawed alone.
    """
    collected, thawed = gc.isenabled(), not gc.get_freeze_count()
    if thawed:
        gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        if thawed:
            gc.unfreeze()
        if not collected:
            gc.disable()
