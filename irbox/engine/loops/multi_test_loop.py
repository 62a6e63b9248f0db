"""Testing on one or several sets."""

from __future__ import annotations

from irbox.engine.loops.multi_loop import MultiLoop
from irbox.registry import LOOPS


@LOOPS.register_module()
class MultiTestLoop(MultiLoop):
    """Testing on one or several sets, see ``MultiLoop``."""

    mode = 'test'
