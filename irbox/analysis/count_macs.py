"""Parameters and multiply-accumulates of a network, in two conventions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from irbox.layers.attention import TransposedAttention
from irbox.layers.cross_attention import TransposedCrossAttention

Convention = Literal['papers', 'exact']

# Functions whose elements the papers' counter adds, one operation each: of the output, or of what
# is pooled.
_PER_OUTPUT = {F.gelu, F.leaky_relu, F.relu, F.interpolate}
_PER_INPUT = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d}

# Per state and step the scan decays and adds (h = a h + b u) and reads (y += c h): two
# multiply-accumulates, and one product that makes b u.
SCAN_MACS_PER_STATE = 3


def count_macs(
    network: nn.Module, height: int, width: int, convention: Convention = 'papers'
) -> Counter[str]:
    """Count the multiply-accumulates of restoring one image.

    Examples:
        >>> counts = count_macs(nn.Conv2d(3, 8, 3, padding=1, bias=False), height=10, width=10)
        >>> counts.total()  # 8 * 3 * 3 * 3 for each of 100 pixels
        21600

    Args:
        network: Built on any device; it is run once on an image without content, so a network on
            the meta device costs no time.
        height: Of the image.
        width: Of the image.
        convention: ``'papers'``: what the efficiency tables of this field count: convolutions and
            linear layers, and one per element of convolutions' biases, activations, poolings and
            resizings. Products of activations with activations (attention), the selective scan,
            transforms and norms are left out.
            ``'exact'``: every convolution and matrix product that runs, attention included, and
            the scan.

    Returns:
        Multiply-accumulates by the name of the module that spends them (``''`` where none is
        known); ``.total()`` is the sum. Experts are counted as if each saw every pixel; see
        ``sparse_share``.
    """
    device = next(network.parameters()).device
    image = torch.zeros(1, 3, height, width, device=device)
    with torch.no_grad():
        if convention == 'exact':
            return _exact(network, image)
        return _papers(network, image)


def sparse_share(network: nn.Module, macs: Counter[str]) -> Counter[str]:
    """Reduce a count to the experts that were selected, which alone each pixel visits.

    Blocks with a ``mixture`` that skips experts (``skips_experts``) say by ``top_k`` how many are
    selected. Experts that differ in cost count as if each were selected equally often.
    """
    remaining = Counter(macs)
    for name, module in network.named_modules():
        mixture: Any = getattr(module, 'mixture', None)
        top_k = getattr(module, 'top_k', None)
        if getattr(mixture, 'skips_experts', False) and top_k:
            experts = f'{name}.mixture.experts.'
            for key in remaining:
                if key.startswith(experts):
                    remaining[key] = remaining[key] * top_k // len(mixture.experts)
    return remaining


def _exact(network: nn.Module, image: Tensor) -> Counter[str]:
    scan: Callable[..., int] = _scan_flops
    operator = torch.ops.irbox.selective_scan
    with FlopCounterMode(display=False, custom_mapping={operator: scan}) as counter:
        network(image)
    root = type(network).__name__
    counts: Counter[str] = Counter()
    for name, operations in counter.get_flop_counts().items():
        if name not in ('Global', root):
            counts[name.removeprefix(f'{root}.')] = sum(operations.values()) // 2
    # The counter gives each module what its children spend; keep what is its own.
    own = Counter(counts)
    for name, macs in counts.items():
        parent = name.rpartition('.')[0]
        while parent and parent not in counts:
            parent = parent.rpartition('.')[0]
        if parent:
            own[parent] -= macs
    own[''] = counter.get_total_flops() // 2 - own.total()
    return own


def _scan_flops(u: Any, delta: Any, rates: Any, *rest: Any, **named: Any) -> int:
    flops: int = 2 * SCAN_MACS_PER_STATE * math.prod(u) * rates[0]
    return flops


def _papers(network: nn.Module, image: Tensor) -> Counter[str]:
    counts: Counter[str] = Counter()
    with _module_hooks(network, counts) as path, _CountFunctions(counts, path):
        network(image)
    return counts


@contextmanager
def _module_hooks(network: nn.Module, counts: Counter[str]) -> Iterator[list[str]]:
    """Count convolutions and linear layers, and keep the path of the modules that are running."""
    path: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda module, given: path.append(name)

    def leave(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            path.pop()
            if isinstance(module, (nn.Conv1d, nn.Conv2d)):
                # The tables' counter adds the biases of convolutions, and not those of linears.
                counts[name] += out.numel() * (module.weight[0].numel() + (module.bias is not None))
            elif isinstance(module, nn.Linear):
                counts[name] += out.numel() * module.in_features
            elif (
                isinstance(module, (TransposedAttention, TransposedCrossAttention))
                and module.project_out is not None
            ):
                # Its output projection is folded into another product and never called.
                counts[f'{name}.project_out'] += out.numel() * out.shape[1]

        return hook

    handles = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name)))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        yield path
    finally:
        for handle in handles:
            handle.remove()


class _CountFunctions(TorchFunctionMode):
    """Counts the elements of activations, poolings and resizings."""

    def __init__(self, counts: Counter[str], path: list[str]) -> None:
        super().__init__()
        self.counts, self.path = counts, path

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = self.path[-1] if self.path else ''
        if func in _PER_OUTPUT:
            self.counts[name] += out.numel()
        elif func in _PER_INPUT:
            self.counts[name] += args[0].numel()
        return out
