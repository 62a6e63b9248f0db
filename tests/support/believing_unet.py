"""A network that believes of every image, with a given probability, that it is clean."""

import copy

import torch

from irbox.networks import RestorationUNet

BLOCK = {'type': 'TransformerBlock'}
LABELS = ['rain', 'noise', 'clean']
SETTINGS = {
    'dim': 8,
    'depths': [1, 1],
    'heads': [1, 2],
    'refinement': 1,
    'pixel_unshuffle': 2,
    'prior': {
        'type': 'MLPPrior',
        'num_degradations': 3,
        'feature_dim': 8,
        'width': 4,
        'labels': LABELS,
    },
    **{place: {'block': BLOCK} for place in ('encoder', 'bottleneck', 'decoder')},
}


def believing_unet(clean=0.7, levels=0.5, **options):
    """Build a network that believes every image to be clean with this probability.

    It changes images by about ``levels``.
    """
    torch.manual_seed(0)
    network = RestorationUNet(**(SETTINGS | options)).eval()
    image = torch.rand(1, 3, 24, 32)
    with torch.no_grad():
        if network.prior is not None:
            rest = (1 - clean) / 2
            network.prior.classify.weight.zero_()
            network.prior.classify.bias.copy_(torch.tensor([rest, rest, clean]).log())
        plain = copy.deepcopy(network)
        plain.least_change = None
        change = (plain(image) - image).square().mean().sqrt()
        network.output[0].weight.mul_(levels / 255 / change)
    return network


def without(network):
    """Copy a network, its answers as they are."""
    plain = copy.deepcopy(network)
    plain.least_change = None
    return plain
