import json

import numpy as np
import pytest
import torch
import yaml

import irbox
from irbox.engine.checkpoint import write_checkpoint
from support.small_model import NAMES, small_config, small_model

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 20, 3)).astype(np.uint8)
LOSSES = {'label': {'type': 'DegradationLabelLoss', 'names': NAMES}}


@pytest.fixture(scope='module')
def model():
    return small_model()


def write(path, model, config=None, prefix='network.', **meta):
    config = config or small_config()
    config['model']['losses'] = LOSSES
    state = {f'{prefix}{key}': value for key, value in model.network.state_dict().items()}
    meta = {'cfg': yaml.safe_dump(config)} | meta
    write_checkpoint({'meta': meta, 'state_dict': state}, path)
    return path


def test_a_checkpoint_needs_nothing_else(model, tmp_path):
    folder = tmp_path / 'my_run'
    folder.mkdir()
    path = write(folder / 'final.pth', model)
    state = torch.random.get_rng_state()
    loaded = irbox.load(path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(loaded.restore(IMAGE), model.restore(IMAGE))
    assert loaded.name == 'my_run'
    assert loaded.tasks == NAMES
    assert loaded.source == str(path)
    assert not any(weight.requires_grad for weight in loaded.network.parameters())


@pytest.mark.parametrize('prefix', ['', 'network.', 'module.network.'])
def test_a_config_and_a_checkpoint(model, tmp_path, prefix):
    path = write(tmp_path / 'weights.pth', model, prefix=prefix)
    config = tmp_path / 'config.yaml'
    config.write_text(yaml.safe_dump(small_config()))
    for pair in ((config, path), (small_config(), path)):
        loaded = irbox.load(pair, device='cpu')
        assert np.array_equal(loaded.restore(IMAGE), model.restore(IMAGE))
        assert loaded.digest == model.digest


def test_a_folder_in_the_layout_of_the_hub(model, tmp_path):
    model.card.licence = 'Apache-2.0'
    folder = model.save(tmp_path / 'model')
    assert sorted(file.name for file in folder.iterdir()) == [
        'README.md',
        'config.json',
        'model.safetensors',
    ]
    loaded = irbox.load(folder)
    assert loaded.card == model.card
    assert loaded.digest == model.digest
    assert np.array_equal(loaded.restore(IMAGE), model.restore(IMAGE))
    front = (folder / 'README.md').read_text().split('---')[1]
    assert yaml.safe_load(front)['license'] == 'apache-2.0'
    assert loaded.save(folder) == folder
    (tmp_path / 'file.txt').touch()
    with pytest.raises(ValueError, match='holds other files'):
        model.save(tmp_path)


def test_plugins_of_a_file_need_trust(model, tmp_path):
    plugin = tmp_path / 'evil.py'
    plugin.write_text(f'open({str(tmp_path / "ran")!r}, "w").close()\n')
    config = small_config() | {'plugins': [str(plugin)]}
    path = write(tmp_path / 'final.pth', model, config)
    with pytest.raises(ValueError, match=r'names plug-ins.*evil\.py.*trust=True'):
        irbox.load(path)
    assert not (tmp_path / 'ran').exists()
    assert irbox.load(path, trust=True).restore(IMAGE).shape == IMAGE.shape
    assert (tmp_path / 'ran').exists()


def test_a_cache_of_priors_is_left_behind(model, tmp_path, monkeypatch):
    config = small_config()
    config['model']['network']['prior']['cache'] = str(tmp_path / 'cache')
    irbox.load(write(tmp_path / 'final.pth', model, config))
    assert not (tmp_path / 'cache').exists()


def test_names_that_are_none():
    with pytest.raises(ValueError, match=r"no file or folder 'm2ir_9d'.*Known: adair,.*small"):
        irbox.load('m2ir_9d')


def test_a_config_that_is_given_stays_as_it_is(model, tmp_path):
    config = small_config()
    config['model']['network']['prior']['cache'] = 'priors'
    bare = tmp_path / 'bare.pth'
    torch.save(model.network.state_dict(), bare)
    irbox.load((config, bare), 'cpu')
    assert config['model']['network']['prior']['cache'] == 'priors'


def test_what_is_no_model_is_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nothing\.pth does not exist'):
        irbox.load(tmp_path / 'nothing.pth')
    bare = tmp_path / 'bare.pth'
    torch.save(model.network.state_dict(), bare)
    with pytest.raises(ValueError, match='without the config'):
        irbox.load(bare)
    with pytest.raises(ValueError, match='of another architecture'):
        irbox.load((small_config(dim=16), bare))
    with pytest.raises(ValueError, match='got 3 values'):
        irbox.load((1, 2, 3))
    with pytest.raises(FileNotFoundError, match=r'holds no config\.json'):
        irbox.load(tmp_path)
    (tmp_path / 'config.json').write_text('{')
    (tmp_path / 'model.safetensors').touch()
    with pytest.raises(ValueError, match='no valid JSON'):
        irbox.load(tmp_path)
    (tmp_path / 'config.json').write_text(json.dumps({'library_name': 'diffusers'}))
    with pytest.raises(ValueError, match='another library'):
        irbox.load(tmp_path)
    with pytest.raises(ValueError, match=r"device='quantum' is unknown"):
        irbox.load(write(tmp_path / 'final.pth', model), device='quantum')
    with pytest.raises(ValueError, match=r"precision='half' is unknown"):
        irbox.load(tmp_path / 'final.pth', precision='half')
