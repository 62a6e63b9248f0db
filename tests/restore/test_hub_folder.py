"""Folders and files of models; ``test_load_model.py`` has the answers of what is loaded."""

import json

import pytest
import torch
import yaml

from irbox.restore.hub_folder import CONFIG, README, WEIGHTS, read_folder, write_folder
from irbox.restore.load import load
from irbox.restore.model_card import ModelCard
from support.tiny_model import CONFIG as SETTINGS
from support.tiny_model import tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model()


def write(folder, model, **config):
    return write_folder(folder, model.network, SETTINGS | config, ModelCard('mine'))


def test_what_is_written_is_read(model, tmp_path):
    folder = write(tmp_path / 'a/new', model, plugins=['my.py'])
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, README}
    config, checkpoint = read_folder(folder)
    assert config['model'] == SETTINGS['model'] and config['plugins'] == ['my.py']
    assert config['card']['name'] == 'mine'
    own = model.network.state_dict()
    assert checkpoint['state_dict'].keys() == own.keys()
    assert all(checkpoint['state_dict'][key].equal(own[key]) for key in own)
    assert write(folder, model) == folder, 'a model may be written over one'


def test_a_folder_of_other_things_is_left_alone(model, tmp_path):
    (tmp_path / 'thesis.txt').touch()
    with pytest.raises(ValueError, match='holds other files than a model. Choose a new or empty'):
        write(tmp_path, model)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


@pytest.mark.parametrize('text', ['{"model_type": "bert"}', '{', '[]'])
def test_a_model_of_another_library_is_left_alone(model, tmp_path, text):
    (tmp_path / CONFIG).write_text(text)
    (tmp_path / WEIGHTS).write_bytes(b'theirs')
    with pytest.raises(ValueError, match='It is not written over: choose a new or empty folder'):
        write(tmp_path, model)
    assert {path.name for path in tmp_path.iterdir()} == {CONFIG, WEIGHTS}
    assert (tmp_path / WEIGHTS).read_bytes() == b'theirs'


@pytest.mark.parametrize(
    ('text', 'said'),
    [('{', 'is no valid JSON'), ('[]', 'another library'), ('{"library_name": "timm"}', 'another')],
)
def test_a_config_of_something_else(model, tmp_path, text, said):
    folder = write(tmp_path / 'm', model)
    (folder / CONFIG).write_text(text)
    with pytest.raises(ValueError, match=said):
        read_folder(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=f'holds no {WEIGHTS}. .* name a file'):
        read_folder(folder)


@pytest.mark.parametrize('file', ['runs/mine/final.pth', 'runs/mine/iter_12.pth', 'runs/mine.pth'])
def test_a_checkpoint_is_named_for_its_training_and_needs_only_its_own_weights(
    model, tmp_path, file
):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    weights = {f'module.network.{k}': v for k, v in model.network.state_dict().items()}
    weights['module.losses.scale'] = torch.ones(1)
    torch.save({'state_dict': weights, 'meta': {'cfg': yaml.safe_dump(SETTINGS)}}, path)
    before = torch.random.get_rng_state()
    loaded = load(path, 'cpu')
    assert torch.random.get_rng_state().equal(before), 'building draws no number of the caller'
    assert loaded.name == 'mine' and loaded.source == str(path)
    assert not loaded.network.training
    assert not any(one.requires_grad for one in loaded.network.parameters())
    assert loaded.digest == model.digest


def test_what_is_given_otherwise(model, tmp_path):
    assert load(model) is model
    with pytest.raises(ValueError, match=r'one path, or \(config, checkpoint\), got 3 values'):
        load(('a', 'b', 'c'))
    torch.save({'state_dict': {}}, tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match=r"without the config .* irbox.load\(\('CONFIG.py', '"):
        load(tmp_path / 'bare.pth')
    folder = write(tmp_path / 'm', model, plugins=['evil.py'])
    with pytest.raises(ValueError, match=r'would be run: evil.py. .* with trust=True'):
        load(folder)
    assert json.loads((folder / CONFIG).read_text())['frozen'] == {}
