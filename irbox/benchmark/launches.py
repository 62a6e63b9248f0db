"""How many kernels a pass or a step launches, and how many bytes they read and write.

What stands for the cost on an accelerator where none is at hand.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from irbox.layers.fused.switch import fused_on

# Reserve memory, or describe it, and compute nothing.
FREE = {
    'empty',
    'empty_like',
    'empty_strided',
    'new_empty',
    'new_empty_strided',
    'detach',
    '_unsafe_view',
    '_reshape_alias',
    'lift_fresh',
    '_local_scalar_dense',
}


@dataclass
class Launches:
    """What one pass or step asks of a device."""

    by_name: Counter[str] = field(default_factory=Counter)
    """Operator -> how often it was launched."""
    read: int = 0
    """Bytes of the operators' inputs."""
    written: int = 0
    """Bytes of their answers."""
    held: int = 0
    """Bytes at the peak of all that was there at once, beside what had been there before."""

    @property
    def count(self) -> int:
        """Count the launches."""
        return self.by_name.total()


class CountLaunches(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts operators that compute; views launch nothing.

    An operator counts once, whatever its kernel does inside: one product, one convolution, one
    scan.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.found = Launches()
        self._sizes: dict[int, int] = {}
        self._held = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = _tensors((args, kwargs))
        for one in given:
            self._hold(one, new=False)
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        gave = _tensors(out)
        for one in gave:
            self._hold(one, new=True)
        if not func.is_view and name not in FREE and not _same(func, given, gave):
            self.found.by_name[name] += 1
            self.found.read += sum(map(_bytes, given))
            self.found.written += sum(map(_bytes, gave))
        return out

    def _hold(self, value: Tensor, new: bool) -> None:
        """Take memory into account, once, until nobody holds it; what was there before is free."""
        storage = value.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes() if new else 0
        self._held += self._sizes[key]
        self.found.held = max(self.found.held, self._held)
        weakref.finalize(storage, self._let_go, key)

    def _let_go(self, key: int) -> None:
        self._held -= self._sizes.pop(key)


def count_launches(network: nn.Module, image: Tensor, learns: bool = False) -> Launches:
    """Count the launches of restoring an image.

    Args:
        network: On the meta device, where it takes no time and where layers take the path that they
            take on a CUDA device, or on another.
        image: (B, 3, H, W) on the same device.
        learns: Count what is launched where the answer is differentiated afterwards, which no fused
            kernel is.
    """
    devices = () if learns else ('meta',)
    # Not inference mode: there operators that are made of others are not taken apart.
    with torch.no_grad(), fused_on(*devices), CountLaunches() as counting:
        network(image)
    found: Launches = counting.found
    return found


def count_step(network: nn.Module, image: Tensor) -> Launches:
    """Count the launches of a training step but for the optimiser's: both passes, and a loss.

    Args:
        network: See ``count_launches``; on the meta device layers take the path that they take on a
            CUDA device where fused kernels are asked for in trainings (``IRBOX_FUSED_TRAINING``).
        image: (B, 3, H, W) on the same device.
    """
    with fused_on('meta', learns=True), CountLaunches() as counting:
        (network(image).float() - image).abs().mean().backward()
    found: Launches = counting.found
    return found


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _same(func: Any, given: list[Tensor], gave: list[Tensor]) -> bool:
    """Whether an operator gave back what it got: a copy or a reshape that was not needed."""
    return (
        not func._schema.is_mutable
        and bool(gave)
        and all(any(new is old for old in given) for new in gave)
    )


def _bytes(value: Tensor) -> int:
    """Bytes that a kernel touches: an expanded tensor is as small as what it was made of."""
    sizes = zip(value.shape, value.stride(), strict=True)
    count = 1
    for size, stride in sizes:
        count *= size if stride else 1
    return count * value.element_size()
