"""Full precision where half would do harm."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Give a context where automatic mixed precision leaves operations on ``x``'s device alone.

    Inputs must be cast to float32 by the caller. Some devices (meta) know no automatic mixed
    precision.
    """
    if torch.amp.is_autocast_available(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()
