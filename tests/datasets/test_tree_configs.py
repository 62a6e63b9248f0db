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


def two(folder, degraded, clean, one='1', other=None):
    return [f'{folder}/{degraded}/{one}.png', f'{folder}/{clean}/{other or one}.png']


HAZE = ('0025_1_0.2', '0025')
SETS = [
    *two('SOTS', 'hazy', 'gt', *HAZE),
    *two('RainTrainL', 'rainy', 'gt', 'rain-7', 'norain-7'),
    'WaterlooED/00001.bmp',
    'CBSD68/101085.jpg',
]
# Those of which the code bases have other folders inside, or names.
SETS_MOCE_IR = [
    *SETS,
    'BSD400/100007.jpg',
    *two('RESIDE', 'hazy', 'clear', *HAZE),
    *two('Rain100L', 'rainy', 'gt', 'rain-007', 'norain-007'),
]
SETS_BASICSR = [
    *SETS,
    'denoising/BSD400/a100007.jpg',
    *two('RESIDE', 'input', 'target', *HAZE),
    *two('Rain100L', 'input', 'target'),
]
FIVE_SETS_MOCE_IR = [
    *SETS_MOCE_IR,
    *two('GoPro/crop/train', 'input_crops', 'target_crops', 'a-1'),
    *(file for half in ('Train', 'Test') for file in two(f'LOL/{half}', *SIDES)),
    *two('GoPro/test', *SIDES),
]
FIVE_SETS_BASICSR = [
    *SETS_BASICSR,
    *two('GoPro/train', 'blur_crops', 'sharp_crops', 'a-1'),
    *(file for half in ('our485', 'eval15') for file in two(f'LOL/{half}', 'low', 'high')),
    *two('GoPro/test', *SIDES),
]
RESTORMER = [
    *two('train/RESIDE', *SIDES, *HAZE),
    *two('test/SOTS', *SIDES, *HAZE),
    *two('train/RainTrainL', *SIDES),
    *two('test/Rain100L', *SIDES),
    'train/WaterlooED/00001.bmp',
    'train/BSD400/100007.jpg',
    'test/CBSD68/101085.jpg',
]
FIVE_RESTORMER = [
    *RESTORMER,
    *two('train/GoPro', 'input_crops', 'target_crops', 'a-1'),
    *(file for half in ('train', 'test') for file in two(f'{half}/LOL', *SIDES)),
    *two('test/GoPro', *SIDES),
]
OF_THREE = {'haze': 1, 'rain': 120, 'noise': 18}
OF_FIVE = {**OF_THREE, 'blur': 5, 'low_light': 20}
TESTS = ('GoPro', 'HIDE', 'RealBlur_J', 'RealBlur_R')
TREES = {
    'three_degradations_sets': (SETS_MOCE_IR, OF_THREE, 5),
    'three_degradations_sets, BasicSR': (SETS_BASICSR, OF_THREE, 5),
    'five_degradations_sets': (FIVE_SETS_MOCE_IR, OF_FIVE, 5),
    'five_degradations_sets, BasicSR': (FIVE_SETS_BASICSR, OF_FIVE, 5),
    'three_degradations_restormer': (RESTORMER, OF_THREE, 5),
    'five_degradations_restormer': (FIVE_RESTORMER, OF_FIVE, 5),
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
    path = FOLDER / f'{name.partition(",")[0]}.yaml'
    config = load_config(path, {'data_root': str(tmp_path / 'my_{data}')})
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
