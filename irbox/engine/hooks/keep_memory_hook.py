"""Memory that one step of a training leaves to the next."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from irbox.engine.wrapping import unwrapped
from irbox.registry import HOOKS
from irbox.utils.bounded import NonNegativeInt
from irbox.utils.keep_memory import MOST, keep_memory, release_kept_memory


@HOOKS.register_module()
class KeepMemoryHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Keeps the memory of freed tensors for the next step, on a CPU under glibc.

    A step's maps come and go in the same sizes, and new pages for each of them take some percent of
    its time. The process stays at the peak of its training, and no more: what a validation took,
    whose images are larger, goes back to the system after it. Elsewhere nothing is done.

    Args:
        most: MiB that may be free at the heap's end before they are given back, at most 2047.

    Raises:
        ValueError: ``most`` is above that.
    """

    def __init__(self, most: NonNegativeInt = MOST >> 20) -> None:
        if not 0 <= most <= MOST >> 20:
            raise ValueError(f'most={most} must be MiB between 0 and {MOST >> 20}.')
        self.most = most
        self._keeps = False

    def before_train(self, runner: Any) -> None:
        """Tell glibc."""
        weights = unwrapped(runner.model).parameters()
        if all(one.device.type == 'cpu' for one in weights):
            self._keeps = keep_memory(self.most << 20)

    def after_val(self, runner: Any) -> None:
        """Give back what the validation took."""
        if self._keeps:
            release_kept_memory()

    def after_train(self, runner: Any) -> None:
        """Give back what the training took."""
        self.after_val(runner)
