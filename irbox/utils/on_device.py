"""Numbers of the host for a device, without waiting for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def constants(values: Sequence[float], like: Tensor) -> Tensor:
    """Give a few numbers, (N,), of a tensor's type, on its device.

    ``torch.tensor`` would copy them from memory of the host that is not pinned, for which a host
    waits until all is done that it has asked for; here they are part of what it asks for.

    Examples:
        >>> constants([1, 2.5], torch.zeros(1))
        tensor([1.0000, 2.5000])
    """
    return torch.stack([like.new_full((), value) for value in values])


def sent(values: Tensor, like: Tensor) -> Tensor:
    """Send numbers of the host to a tensor's device, and do not wait for their arrival.

    Args:
        values: On the CPU.
        like: Gives device and type.
    """
    if like.device.type == 'cuda':
        values = values.pin_memory()
    return values.to(like, non_blocking=True)
