"""Small stand-ins for the packages that judge images, with their calling conventions."""

from types import ModuleType

import torch
from torch import nn
from torchvision.models import alexnet

SLICES = ((0, 2), (2, 5), (5, 8), (8, 10), (10, 12))


def lpips_module():
    module = ModuleType('lpips')

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            layers = alexnet(weights=None).features
            for number, (start, end) in enumerate(SLICES, 1):
                part = nn.Sequential()
                for index in range(start, end):
                    part.add_module(str(index), layers[index])
                setattr(self, f'slice{number}', part)

    class LPIPS(nn.Module):
        def __init__(self, net='alex', version='0.1', pnet_rand=False, verbose=True):
            super().__init__()
            assert (net, version, pnet_rand, verbose) == ('alex', '0.1', True, False)
            self.net = Net()

        def forward(self, in0, in1):
            assert in0.shape == in1.shape and in0.ndim == 4
            assert -1 <= in0.min() < 0 and in0.max() <= 1
            difference = self.net.slice1(in0) - self.net.slice1(in1)
            return difference.abs().mean((1, 2, 3), keepdim=True)

    module.LPIPS = LPIPS
    return module


def torch_fidelity_module():
    module = ModuleType('torch_fidelity')

    class FeatureExtractorInceptionV3(nn.Module):
        def __init__(self, name, features_list, feature_extractor_weights_path=None):
            super().__init__()
            assert features_list == ['2048'] and feature_extractor_weights_path is not None
            self.layer = nn.Linear(3, 5)
            self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=True))

        def forward(self, x):
            assert x.dtype == torch.uint8
            return (self.layer(x.float().mean((2, 3)) / 255),)

    module.FeatureExtractorInceptionV3 = FeatureExtractorInceptionV3
    return module


def samples(count=4, label='haze', side=24):
    generator = torch.Generator().manual_seed(0)
    return [
        {
            'label': label if index < 3 else 'rain',
            'restored': torch.rand(3, side, side, generator=generator),
            'target': torch.rand(3, side, side, generator=generator),
        }
        for index in range(count)
    ]
