import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from irbox.engine import compat
from irbox.layers.mamba import Mamba


@pytest.fixture(autouse=True)
def scope():
    compat.init()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.mamba = Mamba(8)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def build(**options):
    model = Model()
    optimizer = {'type': 'AdamW', 'lr': 1e-3, 'weight_decay': 0.1}
    config = {
        'type': 'OptimWrapper',
        'constructor': 'RestorationOptimWrapperConstructor',
        'optimizer': optimizer,
        **options,
    }
    return model, build_optim_wrapper(model, config).optimizer


def decays(model, optimizer):
    """Weight decay by the name of the weight; each weight once."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    found = [
        (names[id(weight)], group['weight_decay'])
        for group in optimizer.param_groups
        for weight in group['params']
    ]
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize('options', [{}, {'paramwise_cfg': {'norm_decay_mult': 1.0}}])
def test_flagged_weights_do_not_decay_and_frozen_ones_are_left_out(options):
    model, optimizer = build(**options)
    found = decays(model, optimizer)
    trainable = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert set(found) == trainable
    flagged = {name for name, decay in found.items() if decay == 0}
    assert flagged == {'mamba.A_log', 'mamba.D'}
    assert {found[name] for name in trainable - flagged} == {0.1}


def test_without_decay_nothing_is_split():
    _, optimizer = build(optimizer={'type': 'Adam', 'lr': 1e-3})
    assert len(optimizer.param_groups) == 1


def test_a_step_shrinks_only_what_decays():
    model, optimizer = build()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
    optimizer.step()
    assert torch.equal(model.mamba.A_log, before['mamba.A_log'])
    weight = before['mamba.in_proj.weight']
    torch.testing.assert_close(model.mamba.in_proj.weight, weight * (1 - 1e-3 * 0.1))
