"""Whether a layer takes its fused path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from irbox.layers.plain import are_depthwise, is_traced, is_watched
from irbox.layers.strips import computing_dtype, learns

SWITCH = 'IRBOX_FUSED'
"""Environment variable: ``0`` leaves all layers to torch's own operators."""
TRAINING_SWITCH = 'IRBOX_FUSED_TRAINING'
"""Environment variable: ``1`` lets layers that learn take their fused path as well."""
_DEVICES: ContextVar[tuple[str, ...]] = ContextVar('fused_devices', default=('cuda',))
_LEARNS: ContextVar[bool | None] = ContextVar('fused_learning', default=None)


@contextmanager
def fused_on(*devices: str, learns: bool | None = None) -> Iterator[None]:
    """Let layers take their fused path on other devices than CUDA ones.

    On the meta device, what a CUDA device would be asked for is then counted; on a CPU the
    operators' twins compute, which is slow and meant for tests.

    Args:
        devices: Types, such as ``'meta'``.
        learns: Whether layers that learn do as well; None leaves it to ``TRAINING_SWITCH``.
    """
    token, learning = _DEVICES.set((*_DEVICES.get(), *devices)), _LEARNS.set(learns)
    try:
        yield
    finally:
        _DEVICES.reset(token)
        _LEARNS.reset(learning)


def can_run_fused(x: Tensor, *modules: nn.Module) -> bool:
    """Tell whether layers may be computed by fused kernels: with nothing to differentiate.

    Not while they are compiled, exported or traced, and not where somebody watches a module inside
    them, which the kernels do not call; on CUDA devices where Triton's kernels work.
    """
    if not _is_plain(x, modules) or learns(x, modules):
        return False
    return x.device.type != 'cuda' or trouble(x.device.index, computing_dtype(x)) is None


def can_learn_fused(x: Tensor, *modules: nn.Module | None) -> bool:
    """Tell whether layers that learn may be computed, and differentiated, by fused kernels.

    Where somebody asked for it, and otherwise where ``can_run_fused`` would say so of layers with
    nothing to differentiate.
    """
    if torch.compiler.is_compiling():
        return False
    asked = _LEARNS.get()
    if not (os.environ.get(TRAINING_SWITCH, '0') == '1' if asked is None else asked):
        return False
    there = [module for module in modules if module is not None]
    if not _is_plain(x, there) or not learns(x, there):
        return False
    return x.device.type != 'cuda' or gradient_trouble(x.device.index, computing_dtype(x)) is None


def _is_plain(x: Tensor, modules: Sequence[nn.Module]) -> bool:
    """Whether the kernels know such layers and such a map, and nobody looks into them."""
    if is_traced(x):
        return False
    if x.device.type not in _DEVICES.get() or os.environ.get(SWITCH, '1') == '0':
        return False
    if x.dtype not in (torch.float32, torch.bfloat16) or not x.numel():
        return False
    if computing_dtype(x) not in (torch.float32, torch.bfloat16):
        return False
    return not is_watched(modules) and are_depthwise(modules)


@cache
def trouble(device_index: int | None, dtype: torch.dtype) -> str | None:
    """Say why the kernels cannot be used on a CUDA device, or None where they can; log it once.

    They are tried on small maps and compared with torch: compiling can fail for many reasons (no
    Triton, no driver, no C compiler, an unknown device), and a wrong answer must not pass. In the
    dtype that is asked for alone: each kernel takes a second or two to compile, once per machine.
    """
    return _try_kernels(device_index, dtype, 'trial', 'without gradients')


@cache
def gradient_trouble(device_index: int | None, dtype: torch.dtype) -> str | None:
    """Say the same of the kernels that differentiate, which need the others."""
    found = trouble(device_index, dtype)
    if found is not None:
        return found
    return _try_kernels(device_index, dtype, 'gradient_trial', 'that learn')


def _try_kernels(index: int | None, dtype: torch.dtype, trial: str, layers: str) -> str | None:
    device = torch.device('cuda', index or 0)
    try:
        found: str | None = import_module(f'irbox.layers.fused.{trial}').problem(device, dtype)
    except Exception as error:  # whatever a compiler or a driver may raise
        found = f'Triton kernels do not run here ({type(error).__name__}: {str(error)[:200]})'
    said = 'the Triton kernels of irbox' if found is None else f"torch's operators, because {found}"
    print_log(f'Layers {layers} on {device}, {dtype}: {said}.', logger='current')
    return found
