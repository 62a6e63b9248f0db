"""Modules that are never trained and never saved."""

from copy import deepcopy

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from torch import nn

from irbox.utils.frozen import FrozenModule


class Prior(FrozenModule):
    def __init__(self, value):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
        self.scale = nn.Parameter(torch.full((1,), value))
        self.register_buffer('kept', torch.full((1,), value))
        self.register_buffer('made', torch.full((1,), value), persistent=False)
        nn.init.constant_(self.inner[0].weight, value)
        self.freeze()


class Network(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.prior = Prior(value)
        self.own = nn.Linear(2, 1)


def test_never_trained():
    network = Network(1.0).train()
    assert network.training
    assert not any(module.training for module in network.prior.modules())
    assert not any(parameter.requires_grad for parameter in network.prior.parameters())


@pytest.mark.parametrize('save', [nn.Module.state_dict, get_state_dict])
def test_absent_from_every_state_dict(save):
    assert set(save(Network(1.0))) == {'own.weight', 'own.bias'}
    assert not save(Prior(1.0))
    # The parts inside keep theirs: conversions and fingerprints need them.
    assert 'weight' in Network(1.0).prior.inner[0].state_dict()


@pytest.mark.parametrize('assign', [False, True])
def test_strict_loading_keeps_its_weights_and_loads_the_rest(assign):
    source, target = Network(1.0), Network(2.0)
    target.load_state_dict(source.state_dict(), strict=True, assign=assign)
    assert torch.equal(target.own.weight, source.own.weight)
    prior = target.prior
    for tensor in (prior.scale, prior.kept, prior.made, prior.inner[0].weight):
        assert (tensor == 2).all()
    assert not prior.scale.requires_grad


def test_keys_of_an_older_file_are_ignored():
    target = Network(2.0)
    older = target.state_dict() | {'prior.scale': torch.zeros(1), 'prior.gone': torch.zeros(3)}
    target.load_state_dict(older, strict=True)
    assert target.prior.scale == 2
    assert 'prior.gone' in older  # the caller's dict is left alone


def test_other_faults_are_still_reported():
    target = Network(2.0)
    state = target.state_dict()
    del state['own.bias']
    with pytest.raises(RuntimeError, match='own.bias') as error:
        target.load_state_dict(state)
    assert 'prior' not in str(error.value)


def test_mmengines_loader_agrees():
    target = Network(2.0)
    load_state_dict(target, Network(1.0).state_dict(), strict=True)
    assert target.prior.scale == 2
    with pytest.raises(RuntimeError, match='own.weight'):
        load_state_dict(target, {'own.bias': torch.zeros(1)}, strict=True)


def test_copies_keep_the_behaviour():
    """As averaged weights make them."""
    copy = deepcopy(Network(3.0))
    assert set(copy.state_dict()) == {'own.weight', 'own.bias'}
    copy.prior.scale.data.fill_(5)
    copy.load_state_dict(Network(1.0).state_dict(), strict=True)
    assert copy.prior.scale == 5
