import pytest
from PIL import Image

from irbox.commands.main import tool
from irbox.config.load_config import load_config
from irbox.datasets.scenes.scene_bank import SceneBank
from irbox.registry import DATASETS
from irbox.sweeps import read_sweep, resolve
from support.paths import ROOT

SWEEP = ROOT / 'configs/cross/scene_principles.yaml'


def make(*arguments):
    return tool('make-scenes')([*map(str, arguments)])


def test_a_bank_and_its_sheet(tmp_path, capsys):
    sheet = tmp_path / 'new' / 'sheet.jpg'
    options = ('--size', 40, '--seed', 2, '--options', 'light=false', 'layouts={leaves: 1}')
    make(tmp_path / 'bank', '--num', 2, *options, '--sheet', sheet)
    said = capsys.readouterr().out
    assert '2 scenes, 2 of them new in' in said
    assert ' MB: ' in said
    assert SceneBank(tmp_path / 'bank').size == 40
    assert Image.open(sheet).size == (6 * 192, 192)
    make(tmp_path / 'bank', '--num', 3, *options)
    assert '3 scenes, 1 of them new in' in capsys.readouterr().out
    make(tmp_path / 'bank', '--num', 3, *options)
    assert 'new' not in capsys.readouterr().out


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="options.lights.*Did you mean 'light'"):
        make(tmp_path / 'bank', '--options', 'lights=false')
    with pytest.raises(ValueError, match='must end in'):
        make(tmp_path / 'bank', '--sheet', tmp_path / 'sheet.txt')
    assert not (tmp_path / 'bank').exists()


def test_rows_of_the_sweep_add_one_principle_each():
    off = []
    for row in read_sweep(SWEEP).rows:
        config = resolve(row, None, {})
        dataset = DATASETS.build({**config.train_dataloader.dataset, 'patch_size': 64})
        scenes = config.train_dataloader.dataset.scenes
        off.append(set(scenes) | ({'photographs'} if not dataset.share else set()))
    for fewer, more in zip(off[1:], off, strict=False):
        assert fewer < more
    assert off[-1] == set()


def test_the_config_trains_on_scenes():
    config = load_config(ROOT / 'configs/cross/scenes_base.py')
    assert config.train_dataloader.dataset.type == 'SceneDataset'
    assert config.train_dataloader.dataset.weights.clean == 1.2
