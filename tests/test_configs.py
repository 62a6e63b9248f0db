"""Every shipped config loads, builds and takes a training step."""

import copy
from pathlib import Path

import pytest
import torch

from irbox.engine.config import load_config
from irbox.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / 'configs').glob('*.py'))
BASES = sorted((ROOT / 'configs/_base_/models').glob('*.yaml'))
BASES_OF_OTHERS = sorted(set((ROOT / 'configs/_base_').rglob('*.yaml')) - set(BASES))
NEED_A_FILE = {'DACLIPPrior'}


def name(path):
    return str(path.relative_to(ROOT / 'configs'))


def shrunk(model):
    """The same composition at width 8 with one block a level, and a prior that needs no file."""
    model = copy.deepcopy(model)
    network = model['network']
    network.update(dim=8, depths=[1] * len(network['depths']), refinement=1)
    prior = network.get('prior')
    if prior and prior['type'] in NEED_A_FILE:
        network['prior'] = {'type': 'FrozenRandomPrior', 'num_degradations': 6}
    return model


def labels(model):
    for loss in model.get('losses', {}).values():
        if loss and loss['type'] == 'DegradationLabelLoss':
            return loss['names'][:2]
    return ['haze', 'rain']


def trains(model, find_unused=False):
    torch.manual_seed(0)
    restorer = MODELS.build(shrunk(model)).train()
    optimizer = torch.optim.SGD([p for p in restorer.parameters() if p.requires_grad], lr=1e-3)
    before = copy.deepcopy(restorer.state_dict())
    image, target = torch.rand(2, 3, 16, 24), torch.rand(2, 3, 16, 24)
    losses = restorer(image, target, labels(model), ['a', 'b'], mode='loss')
    assert set(losses) == {f'loss_{key}' for key, loss in model['losses'].items() if loss}
    total = sum(losses.values())
    assert total.isfinite() and total.requires_grad
    total.backward()
    # Distributed training waits for the gradient of every weight, unless it is told to look.
    waiting = [n for n, p in restorer.named_parameters() if p.requires_grad and p.grad is None]
    assert bool(waiting) == find_unused, waiting
    optimizer.step()
    for key, value in restorer.state_dict().items():
        assert value.isfinite().all(), key
    assert any(not torch.equal(v, before[key]) for key, v in restorer.state_dict().items())
    restored = restorer.eval()(image, mode='predict')
    assert len(restored) == 2 and restored[0]['restored'].shape == (3, 16, 24)


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_config(path):
    config = load_config(path)
    for section in ('model', 'train_dataloader', 'val_dataloader', 'train_cfg', 'optim_wrapper'):
        assert config.get(section), f'{name(path)} has no {section}'
    trains(config.to_dict()['model'], config.get('find_unused_parameters', False))


@pytest.mark.parametrize('path', BASES, ids=name)
def test_model(path):
    config = load_config(path)
    trains(config.to_dict()['model'], config.get('find_unused_parameters', False))


@pytest.mark.parametrize(
    ('row', 'change'),
    [
        ('no DGF', '{bottleneck: {block: {gate: mean}}}'),
        (
            'no DDER',
            '{prompt: null, encoder: {before_level: {_delete_: true, type: TransformerBlock}}}',
        ),
        ('DDER only', '{bottleneck: {block: {_delete_: true, type: TransformerBlock}}}'),
    ],
)
def test_ablations_of_m2restore_are_a_line(row, change, tmp_path):
    """Table II of the paper."""
    path = tmp_path / 'ablation.yaml'
    losses = '\n  losses: {balance: null}' if row == 'no DDER' else ''
    base = ROOT / 'configs/_base_/models/m2restore.yaml'
    path.write_text(f'_base_: {base}\nmodel:\n  network: {change}{losses}\n')
    trains(load_config(path).to_dict()['model'])


def test_there_are_configs_to_test():
    assert {'m2restore_allweather.py', 'm2restore_cdd11.py', 'm2restore_demo.py'} <= {
        path.name for path in CONFIGS
    }
    assert {'unet.yaml', 'm2restore.yaml', 'm2restore_official.yaml'} <= {p.name for p in BASES}


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_entry_configs_say_what_they_are(path):
    text = path.read_text()
    assert text.startswith('"""') and '_base_' in text
    assert len(text.splitlines()) <= 20, 'an entry config lists its bases; settings stand there'


@pytest.mark.parametrize('path', BASES_OF_OTHERS, ids=name)
def test_base(path):
    assert load_config(path)
