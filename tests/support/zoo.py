"""Small networks of other people with random weights, in files as they publish them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


def small(name: str) -> nn.Module:
    """Build an architecture of spandrel, as small as its files may be."""
    from spandrel import architectures

    torch.manual_seed(0)
    kinds = {
        # Pads by itself; and is padded to multiples of 8, with a map of the noise beside it.
        'NAFNet': {'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1]},
        'DRUNet': {'in_nc': 4, 'out_nc': 3, 'nc': [8, 8, 8, 8], 'nb': 2},
        # Padded to multiples of its windows; looks at all of a picture.
        'SwinIR': {
            'upscale': 1,
            'window_size': 8,
            'embed_dim': 8,
            'depths': [2],
            'num_heads': [2],
            'mlp_ratio': 2.0,
        },
        # Padded to squares of a multiple of 128.
        'Uformer': {'embed_dim': 4, 'depths': [1] * 9, 'num_heads': [1] * 9, 'modulator': True},
        # Of one channel, of four times the size, with a mask.
        'DnCNN': {'in_nc': 1, 'out_nc': 1, 'nc': 8, 'nb': 4},
        'ESRGAN': {'num_filters': 8, 'num_blocks': 1, 'scale': 4},
        'LaMa': {'in_nc': 4, 'out_nc': 3},
    }
    module = getattr(architectures, name)
    network: nn.Module = getattr(module, name)(**kinds[name])
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim < 2:
                # What begins as zero or one would hide a weight in a wrong place.
                weight.add_(0.1 * torch.randn_like(weight))
    return network.eval()


def write_small(name: str, path: Path, under: str | None = 'params') -> nn.Module:
    """Write the file of such a network, and give the network."""
    network = small(name)
    weights = network.state_dict()
    torch.save({under: weights} if under else weights, path)
    return network
