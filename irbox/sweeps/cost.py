"""What the network of a row costs."""

from __future__ import annotations

from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply-accumulates, those of the prior left out as in the papers."""

    parameters: int
    """Trainable ones."""
    dense: int
    """Multiply-accumulates in the papers' convention, every expert on every pixel."""
    selected: int
    """The same with the experts that each pixel visits."""


def count_cost(config: Config, width: int, height: int) -> Cost:
    """Count what restoring one image of a size costs; needs no time and no weights.

    Raises:
        ValueError, ImportError, OSError: The network cannot be built.
    """
    import torch

    from irbox.analysis.count_macs import count_macs, sparse_share
    from irbox.analysis.network_table import without_prior
    from irbox.engine.network import build_network

    with torch.device('meta'):
        network = build_network(config)
    macs = count_macs(network, height, width)
    trainable = {name: w.numel() for name, w in network.named_parameters() if w.requires_grad}
    return Cost(
        parameters=without_prior(network, trainable),
        dense=without_prior(network, macs),
        selected=without_prior(network, sparse_share(network, macs)),
    )
