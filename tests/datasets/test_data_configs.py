"""The shipped data configs: that they can be read, and what they find in trees as published."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from irbox.config.load_config import load_config
from irbox.datasets.pairs.set_declaration import load_declaration
from irbox.degradations import CDD11_TYPES
from irbox.registry import DATA_SAMPLERS, DATASETS
from support.paths import ROOT

FOLDER = ROOT / 'configs' / '_base_' / 'datasets'


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
    train, test = config.train_dataloader.dataset, config.val_dataloader.dataset
    for dataset, part in ((train, 'CDD-11_train'), (test, 'CDD-11_test')):
        dataset.data_root = str(tmp_path)
        built = DATASETS.build(dataset)
        assert built.task_counts == dict.fromkeys(CDD11_TYPES, 2)
        assert all(part in pair.degraded.parts for pair in built.pairs)
        assert {p.clean.parent.name for p in built.pairs} == {'clear'}
        # Also where the data root is the folder of the split.
        dataset.data_root = str(tmp_path / part)
        assert list(DATASETS.build(dataset).pairs) == list(built.pairs)


def test_cdd11_in_the_mixture_of_moce_ir(tmp_path):
    """A type uniformly, then a file uniformly; an epoch is twice the number of files."""
    for number in (1, 2):
        for kind in ('clear', *CDD11_TYPES):
            # One type has fewer files than the others.
            if kind != 'snow' or number == 1:
                save(tmp_path / 'train' / kind / f'{number}.png')
    config = read('cdd11_moce_ir').train_dataloader
    config.dataset.data_root = str(tmp_path)
    dataset = DATASETS.build(config.dataset)
    assert len(dataset) == 2 * 21
    assert dataset.task_counts == pytest.approx(dict.fromkeys(CDD11_TYPES, 42 / 11))
    sampler = DATA_SAMPLERS.build(config.sampler, dataset=dataset, seed=0)
    drawn = Counter(dataset.pairs[index] for index, _ in islice(iter(sampler), 11_000))
    of_type = Counter()
    for pair, count in drawn.items():
        of_type[pair.label] += count
    assert all(880 < of_type[kind] < 1120 for kind in CDD11_TYPES)  # 4 standard deviations
    assert all(390 < count < 610 for pair, count in drawn.items() if pair.label != 'snow')


def files(root, *names):
    for name in names:
        save(root / name)


@pytest.fixture
def mixtures(tmp_path):
    """The folders that the mixtures of tasks want, two images or so in each."""
    files(tmp_path, 'reside_ots/original/0025.png', 'reside_ots/original/3068.jpg')
    files(tmp_path, 'reside_ots/synthetic/part1/0025_0.8_0.04.jpg')
    files(tmp_path, *(f'reside_ots/synthetic/part{n}/3068_0.95_0.2.jpg' for n in (2, 3, 4)))
    files(tmp_path, 'rain100l_train/rainy/rain-7.png', 'rain100l_train/gt/norain-7.png')
    files(tmp_path, 'denoise/00001.bmp', 'denoise/a100007.jpg')
    files(tmp_path, 'sots_outdoor/hazy/0001_0.8_0.2.jpg', 'sots_outdoor/gt/0001.png')
    files(tmp_path, 'rain100l_test/input/1.png', 'rain100l_test/target/1.png')
    for name in ('cbsd68', 'urban100', 'kodak24'):
        files(tmp_path, f'{name}/img_001.png')
    for crop in range(1, 9):
        for kind in ('blur', 'sharp'):
            files(tmp_path, f'gopro/train_crops/{kind}/GOPR_000047-{crop}.png')
    for part in ('gopro/train', 'gopro/test'):
        files(tmp_path, f'{part}/blur/A_000047.png', f'{part}/sharp/A_000047.png')
    for part in ('lol/our485', 'lol/eval15'):
        files(tmp_path, f'{part}/low/2.png', f'{part}/high/2.png')
    return tmp_path


def built(config, root):
    """The training set, and the test sets by name."""
    for dataset in (config.train_dataloader.dataset, *_tests(config).values()):
        dataset.data_root = str(root)
    tests = {name: DATASETS.build(dataset) for name, dataset in _tests(config).items()}
    return DATASETS.build(config.train_dataloader.dataset), tests


def _tests(config):
    return {name: loader.dataset for name, loader in config.val_dataloader.items() if loader}


MIXTURES = {
    # Samples that the published sets would give, and how often each of ours counts.
    'three_degradations': {'haze': 4, 'rain': 120, 'noise': 18},
    'five_degradations': {'haze': 4, 'rain': 120, 'noise': 18, 'blur': 5, 'low_light': 20},
    'five_degradations_moce_ir': {
        'haze': 4,
        'rain': 120,
        'noise': 18,
        'blur': 8 * 5,
        'low_light': 20,
    },
    'haze_alone': {'haze': 4},
    'rain_alone': {'rain': 120},
    'noise_alone': {'noise': 18},
}
NOISE = ['noise_15', 'noise_25', 'noise_50']
TESTS = {
    'three_degradations': ['haze', 'rain', *NOISE],
    'five_degradations': ['haze', 'rain', 'noise_25', 'blur', 'low_light'],
    'five_degradations_moce_ir': ['haze', 'rain', 'noise_25', 'blur', 'low_light'],
    'haze_alone': ['haze'],
    'rain_alone': ['rain'],
    'noise_alone': NOISE + [f'{n}_{s}' for n in ('urban100', 'kodak24') for s in (15, 25, 50)],
}


@pytest.mark.parametrize('name', list(MIXTURES))
def test_mixtures(name, mixtures):
    train, tests = built(read(name), mixtures)
    labels = [pair.label for pair in train.pairs]
    assert {label: labels.count(label) for label in labels} == MIXTURES[name]
    assert list(tests) == TESTS[name]
    assert all(len(dataset) == 1 for dataset in tests.values())
    item = train[len(train) - 1, 3]
    assert item['image'].shape == item['target'].shape == (3, 128, 128)
    for test, sigma in (('noise_15', 15), ('noise_50', 50)):
        if test in tests:
            item = tests[test][0]
            # Clipped to 0 at a grey of 99, a sigma of 50 loses a little.
            assert ((item['image'] - item['target']) * 255).std() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize(
    ('name', 'samples'),
    [
        ('three_degradations', 142_431),
        ('five_degradations', 162_646),
        ('five_degradations_moce_ir', 236_251),
        ('cdd11_moce_ir', 26_026),
    ],
)
def test_the_published_counts(name, samples):
    """What an epoch has with the published sets: declared counts times how often they repeat."""
    total = 0
    for source in read(name).train_dataloader.dataset.sources.values():
        counts = load_declaration(source['set'], source.get('split')).counts
        number = counts if isinstance(counts, int) else sum(counts.values())
        total += number * source.get('repeat', 1)
    assert total == samples


def test_weatherbench(tmp_path):
    for part in ('train', 'test'):
        for kind in ('haze', 'rain', 'snow'):
            files(tmp_path / part, f'{kind}/input/1.png', f'{kind}/target/1.jpg')
    config = read('weatherbench')
    for dataset in (config.train_dataloader.dataset, config.val_dataloader.dataset):
        dataset.data_root = str(tmp_path)
        assert DATASETS.build(dataset).task_counts == {'haze': 1, 'rain': 1, 'snow': 1}


def test_snow_that_the_three_degradations_have_not_seen(tmp_path):
    files(tmp_path, 'csd/Test/Snow/1.tif', 'csd/Test/Gt/1.tif')
    tests = _tests(read('csd_unseen'))
    assert list(tests) == ['snow']
    tests['snow'].data_root = str(tmp_path)
    assert DATASETS.build(tests['snow']).task_counts == {'snow': 1}


def test_cdd11_of_m2ir_has_smaller_crops():
    config, other = read('cdd11_128'), read('cdd11')
    assert config.train_dataloader.dataset.patch_size == 128
    assert config.train_dataloader.dataset.sources == other.train_dataloader.dataset.sources
    assert config.val_evaluator.protocol == 'cdd11'


def test_unclipped_noise_is_so_everywhere():
    config = read('noise_unclipped')
    train = config.train_dataloader.dataset.sources.noise.degrade
    assert train == {'type': 'GaussianNoise', 'sigma': [0, 50], 'between': True, 'clip': False}
    tests = {
        name: next(iter(test.dataset.sources.values())).degrade
        for name, test in config.val_dataloader.items()
        if test is not None
    }
    assert {name: noise.sigma for name, noise in tests.items()} == {
        f'{name}_{sigma}': sigma
        for name in ('noise', 'urban100', 'kodak24')
        for sigma in (15, 25, 50)
    }
    assert all(noise.clip is False and noise.fixed_seed == 0 for noise in tests.values())
    assert config.val_evaluator.protocol == 'restormer_noise'


def test_only_the_raindrop_test_of_the_public_code_is_resized():
    tests = load_config(ROOT / 'configs/m2restore_allweather_official.py').val_dataloader
    sizes = {name: test.dataset.get('resize') for name, test in tests.items()}
    assert sizes == {'rain_fog': None, 'snow': None, 'raindrop': [720, 480]}
