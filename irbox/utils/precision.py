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
    # Where there is none to switch off, an exported graph should hold nothing of it: torch does not
    # write such a region around a loop to a file.
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()
