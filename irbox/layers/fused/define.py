"""How a step of a layer becomes an operator of torch.

An operator is one launch of a Triton kernel on a CUDA device. On a CPU it is its twin, written in
torch; on the meta device it describes its answer, so that launches and bytes can be counted without
a device. None has a gradient, and none takes part in an export.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

_LIBRARY: Any = torch.library.Library('irbox', 'FRAGMENT')  # type: ignore[no-untyped-call]
KERNELS_ON_CPU = False
"""Run the kernels instead of their twins: what tests set in Triton's interpreter."""

NAMES: list[str] = []
"""Of all operators, in torch's namespace ``irbox``."""

Answer = Tensor | tuple[Tensor, ...]


@cache
def _kernel(file: str, name: str) -> Callable[..., None]:
    """Find a kernel. Triton is imported by the first one that is run."""
    found: Callable[..., None] = getattr(import_module(f'irbox.triton_kernels.{file}'), name)
    return found


def define(
    schema: str, file: str, twin: Callable[..., Answer], allocate: Callable[..., Answer]
) -> Callable[..., Any]:
    """Make an operator: what it computes, the memory of its answer, and its kernel's file."""
    name = schema.partition('(')[0]
    NAMES.append(name)

    def launch(*args: Any) -> Answer:
        answer = allocate(*args)
        outs = answer if isinstance(answer, tuple) else (answer,)
        _kernel(file, name)(*args, *outs)
        return answer

    def on_device(*args: Any) -> Answer:
        with torch.cuda.device(args[0].get_device()):
            return launch(*args)

    def on_cpu(*args: Any) -> Answer:
        return launch(*args) if KERNELS_ON_CPU else twin(*args)

    # Not torch.library.custom_op: a call of it takes three times as long, 17 us, and a network is
    # hundreds of calls.
    _LIBRARY.define(schema)
    _LIBRARY.impl(name, on_cpu, 'CPU')
    _LIBRARY.impl(name, on_device, 'CUDA')
    _LIBRARY.impl(name, allocate, 'Meta')
    found: Callable[..., Any] = getattr(torch.ops.irbox, name).default
    return found
