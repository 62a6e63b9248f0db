"""A small network with a prior and routed experts, and models made of it."""

import torch

from irbox.registry import MODELS
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel

NAMES = ['haze', 'rain', 'noise']


def small_config(**network):
    block = {'type': 'TransformerBlock'}
    dder = {
        'type': 'DDER',
        'num_experts': 3,
        'top_k': 2,
        'router': {'type': 'NoisyTopKRouter'},
        'expert': {'type': 'MLPExpert', 'ratio': 1.0},
    }
    settings = {
        'type': 'RestorationUNet',
        'dim': 8,
        'depths': [1, 1],
        'heads': [1, 1],
        'refinement': 1,
        'prior': {'type': 'MLPPrior', 'num_degradations': 3, 'feature_dim': 8, 'width': 4},
        'encoder': {'block': block, 'before_level': dder},
        'bottleneck': {'block': block},
        'decoder': {'block': block},
    } | network
    if settings['prior'] is None:
        del settings['prior']
    return {'model': {'type': 'Restorer', 'network': settings}}


def small_model(**options):
    network_options = options.pop('network', {})
    names = options.pop('names', NAMES)
    torch.manual_seed(0)
    config = small_config(**network_options)
    network = MODELS.build(config['model']['network']).eval().requires_grad_(False)
    card = ModelCard('small', degradations=list(names), tasks=list(names))
    return RestorationModel(network, config, card, source='a test', device='cpu', **options)
