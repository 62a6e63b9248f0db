"""What a network's computation needs, measured on two small images."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from irbox.restore.devices import computing_in

SIDES = (32, 64)
"""Of the two images. The line fits tiles of 256 to a thousandth (docs/restoring.md)."""
RESERVE = {'cpu': (1.35, 64 * 2**20), 'device': (1.15, 64 * 2**20)}
"""Factor and bytes that the process takes beyond the tensors that torch made: fragments of the
heap, reordered weights and buffers inside kernels. Of the CPU: measured, see docs/restoring.md."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that restoring a tile takes beyond the weights: ``fixed + per_pixel * pixels``."""

    fixed: float
    per_pixel: float

    def of(self, pixels: int) -> float:
        """Compute the bytes for a tile of so many pixels."""
        return self.fixed + self.per_pixel * pixels

    def pixels(self, available: float) -> int:
        """Compute the pixels of the largest tile that so many bytes hold."""
        return max(int((available - self.fixed) / self.per_pixel), 0)


@torch.inference_mode()
def measure_need(
    network: Callable[..., Tensor],
    context: Any,
    device: torch.device,
    dtype: torch.dtype,
    smallest: int = 1,
) -> MemoryNeed:
    """Run a network on two small images and draw the line through what they took.

    On accelerators torch counts; on the CPU the tensors that live at the same time are counted as
    they come and go. What a tile takes grows with its pixels: attention is over channels, and scans
    and convolutions are local.

    Args:
        network: That the tiles will be given to, called with an image and its context.
        context: Of one image; its own image and routings are not used.
        device: The network's.
        dtype: That the tiles will be computed in.
        smallest: Side that the network takes at least; the images are a multiple of theirs then.
    """
    sides = [side * -(-smallest // SIDES[0]) for side in SIDES]
    network(*_example(context, device, sides[0]))  # what is set up once does not count
    peaks = []
    for side in sides:
        image, own = _example(context, device, side)
        with computing_in(device, dtype):
            peaks.append(_peak(partial(network, image, own), device))
    pixels = [side * side for side in sides]
    slope = max((peaks[1] - peaks[0]) / (pixels[1] - pixels[0]), peaks[1] / pixels[1] / 2, 1.0)
    factor, fixed = RESERVE['cpu' if device.type == 'cpu' else 'device']
    return MemoryNeed(fixed + factor * max(peaks[1] - slope * pixels[1], 0), factor * slope)


def _example(context: Any, device: torch.device, side: int) -> tuple[Tensor, Any]:
    # Noise: flat images might visit one expert only.
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, side, side, generator=generator).to(device)
    return image, replace(context, image=image, routings=[])


def _peak(run: Callable[[], Tensor], device: torch.device) -> float:
    if device.type in ('cpu', 'mps'):
        live = LiveTensors()
        with live:
            run()
        return live.peak
    before = torch.accelerator.memory_allocated(device)
    torch.accelerator.reset_peak_memory_stats(device)
    run()
    torch.accelerator.synchronize(device)
    return torch.accelerator.max_memory_allocated(device) - before


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts the bytes of the tensors that operations made and that still live.

    Views of tensors that were there before (weights) do not count, nor what an operation takes
    inside, such as the loop of a traced scan.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.live: int = 0
        self.peak: int = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        before = {_key(value) for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        out = func(*args, **kwargs)
        for value in tree_leaves(out):
            if isinstance(value, Tensor) and not {_key(value)} & (before | self._known):
                self._add(value.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _key(value: Tensor) -> int:
    return cast(int, value.untyped_storage()._cdata)
