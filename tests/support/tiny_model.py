"""A model that restores in milliseconds, and photographs to restore."""

import skimage.data
import torch
from PIL import Image

import irbox
from irbox.config.load_config import load_config
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel
from support.paths import ROOT

BLOCK = {'block': {'type': 'TransformerBlock'}}
CONFIG = {
    'model': {
        'network': {
            'type': 'RestorationUNet',
            'dim': 4,
            'depths': [1, 1],
            'heads': [1, 1],
            'refinement': 0,
            'encoder': BLOCK,
            'bottleneck': BLOCK,
            'decoder': BLOCK,
            'prior': {'type': 'MLPPrior', 'num_degradations': 3},
        }
    }
}


def tiny_model(seed=0, name='tiny'):
    """Build a model of three degradations that changes pictures a little."""
    torch.manual_seed(seed)
    network = irbox.build_network(CONFIG)
    with torch.no_grad():
        network.output.weight.mul_(0.05)
    card = ModelCard(name=name, degradations=['haze', 'rain', 'noise'])
    return RestorationModel(network, CONFIG, card, source='tests')


def routed_model(name='routed'):
    """Build a small M2IR, which has experts and gates."""
    config = load_config(ROOT / 'configs/m2ir_demo.py', sections=['model']).to_dict()
    network = config['model']['network']
    network.update(dim=8, depths=[1] * len(network['depths']), refinement=1)
    torch.manual_seed(0)
    built = irbox.build_network(config)
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return RestorationModel(built, config, ModelCard(name=name), 'tests', 'cpu')


def photograph(width=60, height=40):
    """Give a part of a photograph."""
    return Image.fromarray(skimage.data.chelsea()[80 : 80 + height, 150 : 150 + width])
