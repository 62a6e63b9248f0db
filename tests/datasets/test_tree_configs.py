"""The mixtures in the trees of other code, by naming one root."""

import pytest

from irbox.config.load_config import load_config
from irbox.registry import DATASETS
from support.data_trees import save
from support.paths import ROOT

FOLDER = ROOT / 'configs' / '_base_' / 'datasets'
SIDES = ('input', 'target')
THREE = [
    'Train/Dehaze/synthetic/part1/0025_1_0.2.jpg',
    'Train/Dehaze/original/0025.png',
    'Train/Derain/rainy/rain-7.png',
    'Train/Derain/gt/norain-7.png',
    'Train/Denoise/00001.bmp',
    'test/dehaze/input/0001_0.8_0.2.jpg',
    'test/dehaze/target/0001.png',
    'test/derain/Rain100L/input/1.png',
    'test/derain/Rain100L/target/1.png',
    'test/denoise/bsd68/101085.jpg',
]
FIVE = [
    *THREE,
    *(f'Train/Deblur/{side}/GOPR0372_07_00_000047.png' for side in ('blur', 'sharp')),
    *(f'Train/Enhance/{side}/2.png' for side in ('low', 'gt')),
    *(f'test/{place}/{side}/1.png' for place in ('deblur/gopro', 'enhance/lol') for side in SIDES),
]
TESTS = ('GoPro', 'HIDE', 'RealBlur_J', 'RealBlur_R')
TREES = {
    'three_degradations_adair': (THREE, {'haze': 1, 'rain': 120, 'noise': 9}, 5),
    'five_degradations_adair': (
        FIVE,
        {'haze': 1, 'rain': 120, 'noise': 9, 'blur': 5, 'low_light': 20},
        5,
    ),
    'blur_restormer': (
        [f'train/GoPro/{side}_crops/a-1.png' for side in SIDES]
        + [f'test/{name}/{side}/a.png' for name in TESTS for side in SIDES],
        {'blur': 1},
        4,
    ),
    'blur_basicsr': (
        [f'GoPro/train/{side}_crops/a-1.png' for side in ('blur', 'sharp')]
        + [f'GoPro/test/{side}/a.png' for side in SIDES],
        {'blur': 1},
        1,
    ),
}


@pytest.mark.parametrize('name', list(TREES))
def test_one_root_is_enough(name, tmp_path):
    files, tasks, tests = TREES[name]
    for file in files:
        save(tmp_path / 'my_{data}' / file)
    config = load_config(FOLDER / f'{name}.yaml', {'data_root': str(tmp_path / 'my_{data}')})
    train = DATASETS.build(config.train_dataloader.dataset)
    assert train.task_counts == tasks
    assert [text for half in train.halves for text in half.objections(training=True)] == []
    built = [DATASETS.build(one.dataset) for one in config.val_dataloader.values() if one]
    assert [len(one) for one in built] == [1] * tests
    assert [text for one in built for half in one.halves for text in half.objections()] == []


def test_a_root_that_is_none_is_refused():
    path = FOLDER / 'blur_restormer.yaml'
    with pytest.raises(ValueError, match='data_root=5 must be the path'):
        load_config(path, {'data_root': 5})
    with pytest.raises(ValueError, match="data_root='x': no data set of this config has"):
        load_config(FOLDER / 'embedded_demo.yaml', {'data_root': 'x'})
