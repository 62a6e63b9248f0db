"""Which class has which textbook twin."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction
from typing import TypeVar

import torch
from torch import Tensor, nn

Twin = TypeVar('Twin', bound=type[nn.Module])

TWINS: dict[type[nn.Module], type[nn.Module]] = {}
"""Class of ours -> the subclass that computes the same by the book."""


def twin_of(original: type[nn.Module]) -> Callable[[Twin], Twin]:
    """Enter a class, made by a decorator, as the textbook twin of ``original``."""

    def enter(twin: Twin) -> Twin:
        assert issubclass(twin, original)
        TWINS[original] = twin
        return twin

    return enter


def find_twin(part: type[nn.Module]) -> type[nn.Module] | None:
    """Find what computes a class by the book; None where it has no twin.

    A subclass (of a plug-in, say) gets its ancestor's twin if it computes as the ancestor does,
    that is if it overrides nothing that the twin writes anew.
    """
    for ancestor in part.__mro__:
        twin = TWINS.get(ancestor)
        if twin is None:
            continue
        anew = [name for name, value in vars(twin).items() if isfunction(value)]
        if all(_same(part, ancestor, name) for name in anew):
            return twin if part is ancestor else type(f'Textbook{part.__name__}', (twin, part), {})
    return None


def _same(part: type, ancestor: type, name: str) -> bool:
    return getattr(part, name, None) is getattr(ancestor, name, None)


def as_sequence(x: Tensor) -> Tensor:
    """Lay a map out as a sequence of pixels, (B, C, H, W) -> (B, H W, C)."""
    return x.flatten(2).transpose(1, 2)


def as_map(x: Tensor, size: torch.Size) -> Tensor:
    """Lay a sequence of pixels back, (B, H W, C) -> (B, C, H, W)."""
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *size)


def wide(x: Tensor) -> Tensor:
    """Cast to float32 what is narrower; float64 stays, for references of references."""
    return x if x.element_size() >= 4 else x.float()
