import copy

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


@pytest.mark.parametrize(
    ('optimizer', 'fused'),
    [
        ({'type': 'AdamW'}, True),
        ({'type': 'Adam'}, True),
        ({'type': 'AdamW', 'fused': False}, False),
        ({'type': 'AdamW', 'foreach': True}, None),
        ({'type': 'SGD', 'lr': 0.1}, None),
    ],
)
def test_adam_is_one_kernel_unless_the_config_says_otherwise(optimizer, fused):
    _, built = build(optimizer=optimizer)
    assert {group.get('fused') for group in built.param_groups} == {fused}


def test_not_fused_without_memory():
    with torch.device('meta'):
        _, built = build()
    assert built.param_groups[0]['fused'] is None


def gradients(model, seed):
    drawn = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape, generator=drawn))


def test_moves_weights_as_the_plain_one_does():
    model, fused = build()
    other = copy.deepcopy(model)
    plain = torch.optim.AdamW(
        [
            {'params': [weight], 'weight_decay': decay}
            for name, weight in other.named_parameters()
            if (decay := decays(model, fused).get(name)) is not None
        ],
        lr=1e-3,
        fused=False,
        foreach=False,
    )
    for seed in range(5):
        for one, optimizer in ((model, fused), (other, plain)):
            gradients(one, seed)
            optimizer.step()
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 6, 3)


@pytest.mark.parametrize('fused', [True, False])
def test_a_state_of_another_layout_moves_weights_the_same(fused):
    torch.manual_seed(0)
    first = Convolution()
    second = copy.deepcopy(first).to(memory_format=torch.channels_last)
    config = {
        'type': 'OptimWrapper',
        'constructor': 'RestorationOptimWrapperConstructor',
        'optimizer': {'type': 'AdamW', 'lr': 1e-2, 'fused': fused},
    }
    wrappers = [build_optim_wrapper(model, copy.deepcopy(config)) for model in (first, second)]
    gradients(first, 1)
    wrappers[0].optimizer.step()
    second.load_state_dict(first.state_dict())
    assert second.layer.weight.stride() != first.layer.weight.stride()
    wrappers[1].load_state_dict(copy.deepcopy(wrappers[0].state_dict()))
    for model, wrapper in zip((first, second), wrappers, strict=True):
        gradients(model, 2)
        wrapper.optimizer.step()
    torch.testing.assert_close(second.layer.weight, first.layer.weight, rtol=1e-6, atol=1e-7)
