"""Where the time of a forward pass goes: by place, by layer, by kind of operation."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from irbox.analysis.network_table import places_of

KINDS = {
    'matrix products': r'mm$|bmm|addmm|linear|matmul|einsum|baddbmm|gemm|cutlass|_scaled_mm',
    'convolutions': r'conv',
    'selective scan': r'selective_scan|ssm',
    'transforms': r'fft',
    'activations': r'gelu|silu|sigmoid|softplus|relu|tanh|exp$|log$',
    'norms': r'norm|var|rsqrt',
    'softmax, top-k, sorting': r'softmax|topk|sort|logsumexp',
    'gathering and scattering': r'index|gather|scatter|nonzero|masked|where',
    'copies and new memory': r'copy|clone|contiguous|empty|cat$|stack|zeros|fill|pad|_to_copy|to$',
    'element by element': r'add|sub|mul|div|neg|abs|clamp|square|sqrt|pow|maximum|sgn|reciprocal',
    'sums and poolings': r'sum|mean|amax|amin|max|min|pool',
}
"""Kind -> names of operators, without their namespace; the first that fits."""
DEPTHWISE = 'depthwise convolutions'


@dataclass
class Profile:
    """Seconds of one forward pass, on average."""

    total: float = 0
    """Without the profiler."""
    places: Counter[str] = field(default_factory=Counter)
    """Place of the network, in the words of configs -> seconds, with all that is inside."""
    layers: Counter[str] = field(default_factory=Counter)
    """Class -> seconds, without what modules inside of it take."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Kind of operation -> seconds."""
    operators: Counter[str] = field(default_factory=Counter)
    """Operator -> seconds."""


@torch.no_grad()
def profile_network(network: nn.Module, image: Tensor, repeats: int = 3) -> Profile:
    """Measure where a forward pass spends its time.

    Args:
        network: In evaluation mode.
        image: (B, 3, H, W), on the network's device.
        repeats: Passes that are averaged, after one that warms up.

    Note:
        Times by place and layer are of the clock, measured by hooks. Times by operator are the
        profiler's, of the processor, or of the device where there is one; its own cost is in them.
    """
    found, device = Profile(), image.device
    network(image)
    start = _now(device)
    for _ in range(repeats):
        network(image)
    found.total = (_now(device) - start) / repeats
    with _timed_modules(network, found, device):
        for _ in range(repeats):
            network(image)
    for counted in (found.places, found.layers):
        for name in counted:
            counted[name] /= repeats  # type: ignore[assignment]  # Counter has numbers of any kind
    _profile_operators(network, image, repeats, found)
    return found


def kind_of(name: str, shapes: Any = ()) -> str:
    """Name the kind of an operator.

    Examples:
        >>> kind_of('aten::addmm'), kind_of('aten::gelu'), kind_of('aten::nothing')
        ('matrix products', 'activations', 'other')
    """
    plain = name.rpartition('::')[2].strip('_')
    for kind, pattern in KINDS.items():
        if re.search(pattern, plain):
            if kind == 'convolutions' and len(shapes) > 1 and len(shapes[1]) > 1:
                # A weight of one channel for each of an answer.
                return DEPTHWISE if shapes[1][1] == 1 and shapes[1][0] > 1 else kind
            return kind
    return 'other'


def _profile_operators(network: nn.Module, image: Tensor, repeats: int, found: Profile) -> None:
    activities = [torch.profiler.ProfilerActivity.CPU]
    on_device = image.device.type == 'cuda'
    if on_device:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, record_shapes=True) as profiler:
        for _ in range(repeats):
            network(image)
    for event in profiler.key_averages(group_by_input_shape=True):
        micro = event.self_device_time_total if on_device else event.self_cpu_time_total
        seconds: Any = micro / 1e6 / repeats
        found.operators[event.key] += seconds
        found.kinds[kind_of(event.key, event.input_shapes or ())] += seconds


@contextmanager
def _timed_modules(network: nn.Module, found: Profile, device: torch.device) -> Iterator[None]:
    """Time each module that is called."""
    places = {module: name for name, module in places_of(network).items()}
    inside: list[float] = []  # seconds of the children of the modules that are running
    begun: list[float] = []

    def enter(module: nn.Module, given: Any) -> None:
        begun.append(_now(device))
        inside.append(0)

    def leave(module: nn.Module, given: Any, out: Any) -> None:
        took: Any = _now(device) - begun.pop()
        found.layers[type(module).__name__] += took - inside.pop()
        if inside:
            inside[-1] += took
        if module in places:
            found.places[places[module]] += took

    handles = [
        handle
        for module in network.modules()
        for handle in (
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave),
        )
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _now(device: torch.device) -> float:
    if device.type != 'cpu':
        torch.accelerator.synchronize(device)
    return time.perf_counter()
