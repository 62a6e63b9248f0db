"""Running a network, and keeping what its parts record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.analysis.network_table import places_of
from irbox.registry import part_kinds
from irbox.structures import Context


@dataclass(frozen=True)
class Recorded:
    """What a part recorded, and where the part stands."""

    place: str
    """In the words of configs; of several blocks at a place, with the number, from 0."""
    what: Any
    """A ``Routing``, ``Gate``, ``Features``, ``Bands``, or a record of the part's own kind."""


@dataclass(frozen=True)
class Run:
    """One call of a network."""

    restored: Tensor
    """(B, 3, H, W), not clipped."""
    context: Context
    records: list[Recorded]
    """In the order in which the parts ran."""

    def of(self, kind: type) -> list[Recorded]:
        """Give the records of one kind."""
        return [one for one in self.records if isinstance(one.what, kind)]


@torch.no_grad()
def run(network: nn.Module, image: Tensor) -> Run:
    """Restore a batch and keep all that the parts record.

    Args:
        network: A network with ``describe(image)`` and ``network(image, context)``, in evaluation
            mode.
        image: (B, 3, H, W), RGB, 0 to 1, on the network's device.
    """
    # Any: what torch knows of a module has no `describe`.
    describe: Any = network.describe
    context: Context = replace(describe(image), records=[])
    assert context.records is not None
    with _owners(network, context.records) as owners:
        restored = network(image, context)
    places = [
        getattr(what, 'place', None) or owner or 'network'
        for what, owner in zip(context.records, owners(), strict=True)
    ]
    found = [Recorded(place, what) for place, what in zip(places, context.records, strict=True)]
    return Run(restored, context, found)


@contextmanager
def _owners(network: nn.Module, records: list[Any]) -> Iterator[Callable[[], list[str]]]:
    """Note, for each record, the innermost registered part that was running."""
    owners: list[str] = []
    running = ['']

    def claim() -> None:
        owners.extend([running[-1]] * (len(records) - len(owners)))

    def enter(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any) -> None:
            claim()
            running.append(name)

        return hook

    def leave(module: nn.Module, given: Any, out: Any) -> None:
        claim()
        running.pop()

    # Registered parts alone: a layer that is listened to takes its slower way.
    parts = {part for kind in part_kinds() for part in kind.registry.module_dict.values()}
    handles = []
    for name, module in _named_parts(network):
        if type(module) in parts:
            handles.append(module.register_forward_pre_hook(enter(name)))
            handles.append(module.register_forward_hook(leave))
    try:
        yield lambda: owners + [''] * (len(records) - len(owners))
    finally:
        for handle in handles:
            handle.remove()


def _named_parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module below a place, named by it: ``encoder 2: block, 0``."""
    for place, part in places_of(network).items():
        alone = len(list(part.children())) == 1
        for path, module in part.named_modules():
            # The number of the only block says nothing.
            inner = path.partition('.')[2] if alone and path[:1] == '0' else path
            yield f'{place}, {inner}' if inner else place, module
