"""Random numbers that do not depend on how a batch is shared between processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor
from torch import distributed as dist

_seed: int | None = None
_generators: dict[torch.device, torch.Generator] = {}


def seed_shared_noise(seed: int) -> None:
    """Start what all processes of a training draw alike; with one process nothing depends on it.

    Args:
        seed: The same in all processes.
    """
    global _seed
    _seed = seed
    _generators.clear()


def normal_noise(like: Tensor) -> Tensor:
    """Draw normal numbers for the images of a batch, (B, ...).

    In a training on several processes all of them draw the numbers of the whole batch, and each
    keeps those of its own images, so that an image meets the noise that it would meet on one
    process. Anywhere else this is ``torch.randn_like``.
    """
    return _draw(torch.randn, like)


def coin_flips(like: Tensor) -> Tensor:
    """Draw 0 or 1 with equal probability for the images of a batch, as ``normal_noise`` does."""
    return _draw(_flip, like)


def repeated_noise() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Give two contexts: what is drawn in the second is what was drawn in the first.

    For activations that are computed again in a backward pass: torch takes care of its own
    generators, not of the one here.
    """
    before: dict[torch.device, Tensor] = {}

    @contextmanager
    def first() -> Iterator[None]:
        before.update({device: one.get_state() for device, one in _generators.items()})
        yield

    @contextmanager
    def again() -> Iterator[None]:
        now = dict(_generators)
        _generators.clear()
        for device, state in before.items():
            _generators[device] = torch.Generator(device)
            _generators[device].set_state(state)
        try:
            yield
        finally:
            _generators.clear()
            _generators.update(now)

    return first(), again()


def _flip(
    size: tuple[int, ...],
    generator: torch.Generator | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    half = torch.full(size, 0.5, dtype=dtype, device=device)
    return torch.bernoulli(half, generator=generator)


def _draw(draw: Callable[..., Tensor], like: Tensor) -> Tensor:
    options = {'dtype': like.dtype, 'device': like.device}
    size, generator = tuple(like.shape), None
    if _seed is None or not dist.is_available() or not dist.is_initialized():
        return draw(size, generator=generator, **options)
    rank, world = dist.get_rank(), dist.get_world_size()
    if world == 1:
        return draw(size, generator=generator, **options)
    generator = _generators.get(like.device)
    if generator is None:
        generator = _generators[like.device] = torch.Generator(like.device).manual_seed(_seed)
    # Draws are dealt out in turn (`DrawSampler`): the first of each process, then the second.
    return draw((world * size[0], *size[1:]), generator=generator, **options)[rank::world]
