"""How MODEM's linear layers begin."""

from __future__ import annotations

from torch import nn

from .scan import DegradationScan


def init_linear(module: nn.Module) -> None:
    """Draw a linear layer from a normal distribution of deviation 0.02; biases are 0.

    The scan's way in and out, linear layers in the public code, count as such.
    """
    layers: list[nn.Linear | nn.Conv2d] = [module] if isinstance(module, nn.Linear) else []
    if isinstance(module, DegradationScan):
        layers = [module.in_proj, module.out_proj]
    for layer in layers:
        nn.init.trunc_normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
