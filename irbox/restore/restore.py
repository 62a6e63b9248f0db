"""Restoring in one call."""

from __future__ import annotations

from typing import Any

import torch

from irbox.restore.devices import Precision, Runtime
from irbox.restore.load import load


def restore(
    image: Any,
    model: Any = 'small',
    *,
    device: str | torch.device = 'auto',
    precision: Precision = 'auto',
    trust: bool = False,
    offline: bool = False,
    runtime: Runtime = 'torch',
    **options: Any,
) -> Any:
    """Restore a picture, or each of a list; see ``irbox.restore``."""
    return load(model, device, precision, trust, offline, runtime).restore(image, **options)
