"""Mixed precision in bfloat16, on CPUs and GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from irbox.engine.optim.optim_wrapper import OptimWrapper
from irbox.engine.sharding import is_sharded
from irbox.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Computes losses under ``torch.autocast`` to bfloat16; weights and updates stay float32.

    bfloat16 has the range of float32 and needs no gradient scaler. mmengine's ``AmpOptimWrapper``,
    which has one, serves float16 on GPUs and refuses CPUs.

    Args:
        **kwargs: As for mmengine's ``OptimWrapper``: ``optimizer``, ``accumulative_counts``,
            ``clip_grad``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Give the context that a loss is computed in."""
        device = next(model.parameters()).device.type
        # A block's weights, gathered for a moment, would stay as copies in bfloat16.
        cached = not is_sharded(model)
        autocast = torch.autocast(device, dtype=torch.bfloat16, cache_enabled=cached)
        with super().optim_context(model), autocast:
            yield
