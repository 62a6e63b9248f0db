"""Counts that the papers print, or that follow from the public code; all without memory."""

import pytest
import torch

import irbox
from irbox.analysis.count_macs import count_macs, sparse_share
from irbox.config.load_config import load_config

ROOT = 'configs/_base_/models'


def build(name):
    """A composition on the meta device, with a prior of DA-CLIP's sizes in DA-CLIP's place."""
    config = load_config(f'{ROOT}/{name}.yaml', sections=()).to_dict()
    network = config['model']['network']
    if 'prior' in network:
        network['prior'] = {
            'type': 'FrozenRandomPrior',
            'num_degradations': 6,
            'feature_dim': 512,
        }
    with torch.device('meta'):
        return irbox.build_network(config)


@pytest.fixture(scope='module', autouse=True)
def _in_the_repository(request):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(request.config.rootpath)
    yield
    monkeypatch.undo()


@pytest.fixture(scope='module')
def restormer():
    return build('unet')


@pytest.fixture(scope='module')
def official():
    return build('m2restore_official')


def trainable(*modules):
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad)


def test_restormer_parameters(restormer):
    assert trainable(restormer) == 26_126_644
    encoders = [trainable(module) for module in restormer.encoders]
    assert encoders == [125_116, 707_232, 2_738_112]
    assert trainable(restormer.bottleneck) == 14_370_448
    decoders = [trainable(module) for module in restormer.decoders]
    assert decoders == [2_738_112, 707_232, 471_484]
    assert trainable(restormer.refinement) == 471_484
    assert [trainable(module) for module in restormer.downs] == [10_368, 41_472, 165_888]
    assert [trainable(module) for module in restormer.ups] == [2_654_208, 663_552, 165_888]
    assert [trainable(module) for module in restormer.reduces] == [73_728, 18_432, 0]
    assert (trainable(restormer.embed), trainable(restormer.output)) == (1_296, 2_592)


def test_restormer_cost(restormer):
    assert count_macs(restormer, 480, 720).total() / 1e9 == pytest.approx(744.8, abs=0.05)


def test_m2restore_parameters(official):
    assert trainable(official) == 46_830_041


def test_m2restore_parameters_part_by_part(official):
    millions = {
        'encoder': [0.125, 0.707, 2.738],
        'bottleneck': [30.713],
        'decoder': [2.738, 0.707, 0.471],
        'refinement': [0.471],
        'frequency': [2.007, 0.515, 0.136],
        'routed experts': [0.088, 0.323, 1.233],
        'resampling': [3.701],
        'reduce': [0.092],
        'prompt': [0.058],
        'stem and output': [0.004],
    }
    parts = {
        'encoder': official.encoders,
        'bottleneck': [official.bottleneck],
        'decoder': official.decoders,
        'refinement': [official.refinement],
        'frequency': official.before_upsamples,
        'routed experts': official.before_levels,
        'resampling': [torch.nn.ModuleList([official.downs, official.ups])],
        'reduce': [official.reduces],
        'prompt': [official.prompt],
        'stem and output': [torch.nn.ModuleList([official.embed, official.output])],
    }
    found = {
        name: [round(trainable(module) / 1e6, 3) for module in modules]
        for name, modules in parts.items()
    }
    assert found == millions
    assert sum(trainable(*modules) for modules in parts.values()) == trainable(official)


@pytest.mark.parametrize(('height', 'width', 'giga'), [(256, 256, 157.5), (480, 720, 830.4)])
def test_m2restore_cost(official, height, width, giga):
    macs = sparse_share(official, count_macs(official, height, width))
    assert macs.total() / 1e9 == pytest.approx(giga, rel=2e-3)


def test_the_papers_composition_differs_where_it_says(official):
    paper = build('m2restore')
    # Nothing is trained that never gets a gradient, and the gate is one layer.
    assert trainable(paper) < trainable(official)
    same = ('encoders', 'decoders', 'refinement', 'prompt', 'downs', 'ups', 'reduces')
    for name in same:
        assert trainable(getattr(paper, name)) == trainable(getattr(official, name))
    experts = [trainable(chain[0].mixture) for chain in paper.before_levels]
    assert experts == [trainable(chain[0].mixture) for chain in official.before_levels]
