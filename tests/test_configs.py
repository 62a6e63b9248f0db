"""Every shipped config loads, builds and takes a training step."""

import copy

import pytest
import torch

from irbox.config.load_config import config_text, load_config
from irbox.registry import MODELS
from irbox.sweeps import read_sweep, resolve
from support.paths import ROOT
from support.peers import shrink

CONFIGS = sorted((ROOT / 'configs').glob('*.py'))
BASES = sorted((ROOT / 'configs/_base_/models').glob('*.yaml'))
BASES_OF_OTHERS = sorted(set((ROOT / 'configs/_base_').rglob('*.yaml')) - set(BASES))
ABLATIONS = ROOT / 'configs/ablations'
TABLES = sorted(ABLATIONS.rglob('table_*.yaml'))
CROSS = sorted(
    path for path in (ROOT / 'configs/cross').glob('*.yaml') if 'rows:' not in path.read_text()
)
PLUGINS = sorted((ROOT / 'configs/plugins').glob('*.yaml'))
NEED_A_FILE = {'DACLIPPrior'}


def name(path):
    return str(path.relative_to(ROOT / 'configs'))


def rows():
    """Each row of each table on each base, those that several tables share once."""
    seen = set()
    for path in TABLES:
        sweep = read_sweep(path)
        for base, file in sweep.bases.items():
            for row in sweep.rows:
                if (file, row.name) not in seen:
                    seen.add((file, row.name))
                    yield pytest.param(path, base, row.name, id=f'{path.stem}-{base}-{row.name}')


ROWS = list(rows())


def shrunk(model):
    """The same composition at width 8 with one block a level, and a prior that needs no file."""
    model = copy.deepcopy(model)
    network = model['network']
    shrink(network)
    prior = network.get('prior')
    if prior and prior['type'] in NEED_A_FILE:
        network['prior'] = {'type': 'FrozenRandomPrior', 'num_degradations': 6}
    return model


def labels(model):
    for loss in model.get('losses', {}).values():
        if loss and loss['type'] == 'DegradationLabelLoss':
            return loss['names'][:2]
    return ['haze', 'rain']


def trains(model, find_unused=False, exactly=True):
    """Take one step.

    ``find_unused`` must say whether some weight got no gradient; not ``exactly``: it must say so
    where one did not.
    """
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
    assert bool(waiting) == find_unused or (find_unused and not exactly), waiting
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


@pytest.mark.parametrize('path', CROSS, ids=name)
def test_cross_composition(path):
    """Parts of one system in the other."""
    config = load_config(path)
    trains(config.to_dict()['model'], config.get('find_unused_parameters', False))


@pytest.mark.parametrize('path', PLUGINS, ids=name)
def test_config_with_a_plugin(path):
    config = load_config(path)
    trains(config.to_dict()['model'], config.get('find_unused_parameters', False))


@pytest.mark.parametrize(('path', 'base', 'row'), ROWS)
def test_row(path, base, row):
    """A row of a table, resolved as the sweep resolves it, on each of its bases."""
    sweep = read_sweep(path)
    config = resolve(next(r for r in sweep.rows if r.name == row), sweep.bases[base], {})
    trains(config.to_dict()['model'], config.get('find_unused_parameters', False), exactly=False)


@pytest.mark.parametrize('path', TABLES, ids=name)
def test_rows_are_configs_of_their_own(path):
    """``tools/train.py`` takes a row's file, and reads what the sweep reads on the paper's base."""
    sweep = read_sweep(path)
    base = sweep.bases['paper']
    for row in sweep.rows:
        if row.config is not None:
            assert config_text(load_config(row.config)) == config_text(resolve(row, base, {}))


@pytest.mark.parametrize('path', TABLES, ids=name)
def test_rows_differ(path):
    """No two rows of a table train the same, and one of them is the system itself."""
    sweep = read_sweep(path)
    for base, file in sweep.bases.items():
        texts = [config_text(resolve(row, file, {})) for row in sweep.rows]
        assert len(set(texts)) == len(texts), base
    paper = config_text(load_config(sweep.bases['paper']))
    assert paper in [config_text(resolve(row, sweep.bases['paper'], {})) for row in sweep.rows]


def test_every_file_of_the_ablations_is_a_row():
    used = {row.config.resolve() for path in TABLES for row in read_sweep(path).rows if row.config}
    assert used == {file for file in ABLATIONS.rglob('*.yaml')} - set(TABLES)


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
