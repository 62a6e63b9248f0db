import pytest
import torch
import yaml
from torch import nn

from irbox.priors.timm_weights import FrozenPart, load_backbone, load_prior


class Backbone(nn.Sequential):
    pretrained_cfg = {'classifier': 'head', 'hf_hub_id': 'timm/tiny'}

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.fixture
def save(tmp_path):
    def save(content):
        torch.save(content, tmp_path / 'file.pth')
        return tmp_path / 'file.pth'

    return save


def same(module, weights):
    own = module.state_dict()
    return own.keys() == weights.keys() and all(own[key].equal(weights[key]) for key in own)


@pytest.mark.parametrize('wrap', [None, 'model', 'state_dict', 'state_dict_ema'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_a_backbone_of_any_wrapping_without_its_head(save, wrap, prefix):
    weights = Backbone().state_dict()
    named = {f'{prefix}{key}': value for key, value in weights.items()}
    named |= {f'{prefix}head.weight': torch.zeros(1), f'{prefix}head.bias': torch.zeros(1)}
    content = named if wrap is None else {wrap: named, 'epoch': 3}
    if wrap == 'state_dict_ema':
        content['state_dict'] = {}
    backbone = Backbone()
    load_backbone(save(content), backbone)
    assert same(backbone, weights)


def test_files_that_do_not_fit(save, tmp_path):
    weights = Backbone().state_dict()
    with pytest.raises(FileNotFoundError, match='huggingface.co/timm/tiny: download.*from scratch'):
        load_backbone(tmp_path / 'none.pth', Backbone())
    backbone = Backbone()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    for wrong in (weights | {'2.weight': torch.zeros(1)}, {'0.weight': torch.zeros(2, 3)}):
        with pytest.raises(ValueError, match='another architecture: of the 7 weights of Backbone'):
            load_backbone(save(wrong), backbone)
    assert same(backbone, before), 'nothing was loaded'


@pytest.mark.parametrize('prefix', ['', 'network.prior.'])
def test_a_prior_that_irbox_trained(save, prefix):
    backbone, classify = Backbone(), nn.Linear(2, 2)
    content = {
        'state_dict': {
            **{f'{prefix}backbone.{k}': v for k, v in Backbone().state_dict().items()},
            **{f'{prefix}classify.{k}': v for k, v in nn.Linear(2, 2).state_dict().items()},
            'network.other.weight': torch.zeros(1),
        }
    }
    config = {'model': {'network': {'prior': {'labels': ['haze', 'rain']}}}}
    for meta in ({}, {'meta': {'cfg': yaml.safe_dump(config)}}):
        assert load_prior(save(content | meta), backbone, classify, ['haze', 'rain'])
    assert classify.weight.equal(content['state_dict'][f'{prefix}classify.weight'])
    assert backbone[0].weight.equal(content['state_dict'][f'{prefix}backbone.0.weight'])
    with pytest.raises(ValueError, match=r"labels \['haze', 'rain'\], the prior has \['rain', 'ha"):
        load_prior(save(content | meta), backbone, classify, ['rain', 'haze'])


def test_another_file_is_no_prior(save):
    backbone = Backbone()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert not load_prior(save(Backbone().state_dict()), backbone, nn.Linear(2, 2), ['a', 'b'])
    assert same(backbone, before)


def test_a_frozen_part_is_known_by_its_weights():
    part = FrozenPart(nn.Linear(2, 2), 'some/where/w.pth', {'size': 224})
    record = part.checkpoint_record()
    assert record['file'] == 'w.pth' and record['size'] == 224
    part.check_record(record | {'file': 'renamed.pth'})
    for change in ({'size': 256}, {'sha256': '0' * 64}):
        with pytest.raises(ValueError):
            part.check_record(record | change)
    x = torch.ones(1, 2, requires_grad=True)
    part.train()(x).sum().backward()
    assert x.grad is not None and all(one.grad is None for one in part.parameters())
    with torch.device('meta'):
        assert FrozenPart(nn.Linear(2, 2), None, {}).sha256 is None
