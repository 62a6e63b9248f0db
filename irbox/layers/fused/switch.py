"""Whether a layer takes its fused path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from irbox.layers.strips import computing_dtype, is_watched, learns

SWITCH = 'IRBOX_FUSED'
"""Environment variable: ``0`` leaves all layers to torch's own operators."""
WIDEST_HEAD = 128
"""Channels of an attention head whose sums a program holds at once."""
_DEVICES: ContextVar[tuple[str, ...]] = ContextVar('fused_devices', default=('cuda',))


@contextmanager
def fused_on(*devices: str) -> Iterator[None]:
    """Let layers take their fused path on other devices than CUDA ones.

    On the meta device, what a CUDA device would be asked for is then counted; on a CPU the
    operators' twins compute, which is slow and meant for tests.

    Args:
        devices: Types, such as ``'meta'``.
    """
    token = _DEVICES.set((*_DEVICES.get(), *devices))
    try:
        yield
    finally:
        _DEVICES.reset(token)


def can_run_fused(x: Tensor, *modules: nn.Module) -> bool:
    """Tell whether layers may be computed by fused kernels: with nothing to differentiate.

    Not while they are compiled, exported or traced, and not where somebody watches a module inside
    them, which the kernels do not call; on CUDA devices where Triton's kernels work.
    """
    # First: a compiler should see nothing of what follows.
    if torch.compiler.is_compiling():
        return False
    kind = x.device.type
    if kind not in _DEVICES.get() or os.environ.get(SWITCH, '1') == '0':
        return False
    if torch._C._get_tracing_state() or isinstance(x, FakeTensor):
        return False
    if x.dtype not in (torch.float32, torch.bfloat16) or not x.numel():
        return False
    if computing_dtype(x) not in (torch.float32, torch.bfloat16):
        return False
    if is_watched(modules) or learns(x, modules):
        return False
    inside = [part for module in modules for part in module.modules()]
    if not all(_is_depthwise(conv) for conv in inside if type(conv) is nn.Conv2d):
        return False
    return kind != 'cuda' or trouble(x.device.index, computing_dtype(x)) is None


def _is_depthwise(conv: nn.Conv2d) -> bool:
    """Whether it is what the kernels compute: 3x3, channel by channel, with zeros around."""
    sides = conv.kernel_size, conv.padding, conv.stride, conv.dilation
    return (
        sides == ((3, 3), (1, 1), (1, 1), (1, 1))
        and conv.groups == conv.in_channels == conv.out_channels
        and conv.padding_mode == 'zeros'
    )


@cache
def trouble(device_index: int | None, dtype: torch.dtype) -> str | None:
    """Say why the kernels cannot be used on a CUDA device, or None where they can; log it once.

    They are tried on small maps and compared with torch: compiling can fail for many reasons (no
    Triton, no driver, no C compiler, an unknown device), and a wrong answer must not pass. In the
    dtype that is asked for alone: each kernel takes a second or two to compile, once per machine.
    """
    device = torch.device('cuda', device_index or 0)
    try:
        from irbox.layers.fused.trial import problem

        found = problem(device, dtype)
    except Exception as error:  # whatever a compiler or a driver may raise
        found = f'Triton kernels do not run here ({type(error).__name__}: {str(error)[:200]})'
    said = 'the Triton kernels of irbox' if found is None else f"torch's operators, because {found}"
    print_log(f'Layers without gradients on {device}, {dtype}: {said}.', logger='current')
    return found
