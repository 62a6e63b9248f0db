"""From a config to what every process builds alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from irbox.analysis.count_macs import count_macs, sparse_share
from irbox.analysis.network_table import count_parameters
from irbox.config.load_config import load_config
from irbox.registry import MODELS


@dataclass(frozen=True)
class Described:
    """A network that can be built anywhere."""

    network: dict[str, Any]
    """Content of ``model.network``."""
    plugins: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What differs from the config."""

    def build(self, device: str = 'cpu') -> nn.Module:
        """Build it, in evaluation mode."""
        with torch.device(device):
            network: nn.Module = MODELS.build(self.network)
        return network.eval()


def read_network(
    config: str, cfg_options: Mapping[str, Any] | None = None, keep_prior: bool = False
) -> Described:
    """Read the network of a config.

    Args:
        config: A file, or the name of a config that comes with irbox.
        cfg_options: Values that replace the file's.
        keep_prior: Keep DA-CLIP, which needs its file. Otherwise a stand-in of its sizes takes its
            place: it runs once per image, and is no layer of the system.
    """
    content = load_config(config, cfg_options, sections=['model']).to_dict()
    found = Described(content['model']['network'], list(content.get('plugins') or ()))
    prior = found.network.get('prior')
    if keep_prior or not prior or prior['type'] != 'DACLIPPrior':
        return found
    sizes: Any = getattr(found.build('meta'), 'prior')  # noqa: B009  # not an attribute of modules
    stand_in = {
        'type': 'FrozenRandomPrior',
        'num_degradations': sizes.num_degradations,
        'feature_dim': sizes.feature_dim,
    }
    note = 'DA-CLIP is left out: a stand-in of its sizes gives the prior.'
    return Described({**found.network, 'prior': stand_in}, found.plugins, [note])


@torch.no_grad()
def save_weights(described: Described, path: Path, seed: int = 0) -> int:
    """Draw the weights that all variants get, and count the trainable ones.

    What starts as one number everywhere (zeros before residuals, ones in norms) is stirred, so that
    no layer hides behind it.
    """
    torch.manual_seed(seed)
    network = described.build()
    for weight in network.parameters():
        if weight.numel() > 1 and bool((weight == weight.flatten()[0]).all()):
            weight.add_(0.1 * torch.randn_like(weight))
    # As arrays: an older checkout that reads them need not have our reader of weights.
    np.savez(path, **{name: weight.numpy() for name, weight in network.state_dict().items()})
    return count_parameters(network)[0]


def count_work(described: Described, height: int, width: int) -> int:
    """Count the multiply-accumulates of one image: all products, and the chosen experts' alone."""
    network = described.build('meta')
    return sparse_share(network, count_macs(network, height, width, 'exact')).total()
