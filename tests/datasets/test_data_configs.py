"""The shipped data configs: that they can be read, and what they find in trees as published."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irbox.datasets.degradations import CDD11_TYPES
from irbox.engine.config import load_config
from irbox.registry import DATASETS

FOLDER = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'


def read(name):
    return load_config(FOLDER / f'{name}.yaml')


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), 99, dtype=np.uint8)).save(path)


def pairs(dataset):
    return {(p.degraded.name, p.clean.name, p.label) for p in dataset.pairs}


@pytest.mark.parametrize('name', ['embedded_demo', 'embedded_cdd11'])
def test_embedded_sets_build_and_agree_on_their_labels(name):
    config = read(name)
    train = DATASETS.build(config.train_dataloader.dataset)
    test = DATASETS.build(config.val_dataloader.dataset)
    assert train.labels == test.labels
    assert train[0, 0]['image'].shape[-1] == config.train_dataloader.dataset.patch_size
    if name == 'embedded_cdd11':
        assert train.labels == CDD11_TYPES
    else:
        assert set(train.labels) >= {'haze', 'rain', 'snow', 'noise', 'low_light'}


def test_allweather(tmp_path):
    config = read('allweather')
    names = ['im_0001_s80_a04.png', 'im_0301_s95_a06.png', '7_rain.png', 'beautiful_smile_1.jpg']
    for name in names:
        save(tmp_path / 'train' / 'input' / name)
        save(tmp_path / 'train' / 'gt' / name)
    save(tmp_path / 'train' / 'input' / '8_rain.png')
    save(tmp_path / 'train' / 'gt' / '8_clean.png')
    train = config.train_dataloader.dataset
    train.data_root = str(tmp_path)
    dataset = DATASETS.build(train)
    assert pairs(dataset) == {
        ('im_0001_s80_a04.png', 'im_0001_s80_a04.png', 'rain_fog'),
        ('7_rain.png', '7_rain.png', 'raindrop'),
        ('8_rain.png', '8_clean.png', 'raindrop'),
        ('beautiful_smile_1.jpg', 'beautiful_smile_1.jpg', 'snow'),
    }
    assert dataset[0, 0]['image'].shape == (3, 224, 224)

    for path in ('rain/input/im_0301_s80_a04', 'rain/input/im_0301_s80_a05', 'rain/gt/im_0301'):
        save(tmp_path / f'test_{path}.png')
    for path in ('snow/input/a.jpg', 'snow/gt/a.jpg', 'raindrop/input/0_rain.png'):
        save(tmp_path / f'test_{path}')
    save(tmp_path / 'test_raindrop' / 'gt' / '0_clean.png')
    found = {}
    for name, loader in config.val_dataloader.items():
        loader.dataset.data_root = str(tmp_path)
        found[name] = pairs(DATASETS.build(loader.dataset))
    assert found == {
        'rain_fog': {
            ('im_0301_s80_a04.png', 'im_0301.png', 'rain_fog'),
            ('im_0301_s80_a05.png', 'im_0301.png', 'rain_fog'),
        },
        'snow': {('a.jpg', 'a.jpg', 'snow')},
        'raindrop': {('0_rain.png', '0_clean.png', 'raindrop')},
    }


def test_cdd11(tmp_path):
    config = read('cdd11')
    for part in ('CDD-11_train', 'CDD-11_test'):
        for kind in ('clear', *CDD11_TYPES):
            for number in (1, 2):
                save(tmp_path / part / kind / f'{number}.png')
    train = config.train_dataloader.dataset
    train.data_root = str(tmp_path / 'CDD-11_train')
    dataset = DATASETS.build(train)
    assert len(dataset) == 22
    assert dataset.metainfo['labels'] == CDD11_TYPES
    assert {p.clean.parent.name for p in dataset.pairs} == {'clear'}
    assert {p.label for p in dataset.pairs if p.degraded.parent.name == 'low_haze'} == {'low_haze'}
    assert tuple(config.val_dataloader) == CDD11_TYPES
    for kind, loader in config.val_dataloader.items():
        loader.dataset.data_root = str(tmp_path / 'CDD-11_test')
        dataset = DATASETS.build(loader.dataset)
        assert [(p.degraded.parent.name, p.label) for p in dataset.pairs] == [(kind, kind)] * 2
