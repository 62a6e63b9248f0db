"""The recipe of the small model's data: every label builds, in nature's order, weak to strong."""

import pytest
import yaml

from irbox.losses import DegradationLabelLoss
from irbox.registry import DATASETS
from support.paths import ROOT

STAGES = (
    {'rain', 'snow'},
    {'haze'},
    {'raindrops', 'defocus', 'motion_blur'},
    {'low_light'},
    {'noise'},
    {'jpeg'},
)
NAMES = [
    'haze', 'rain', 'snow', 'raindrops', 'defocus', 'motion_blur', 'low_light', 'noise', 'jpeg',
    'clean',
]  # fmt: skip


@pytest.fixture(scope='module')
def recipe():
    text = (ROOT / 'configs/_base_/datasets/recipe.yaml').read_text()
    return yaml.safe_load(text)['train_dataloader']['dataset']


def test_mixtures_are_in_the_order_of_nature(recipe):
    steps = recipe['degradations']
    single = {label: steps[label] for label in NAMES if label != 'clean'}
    stage = {name: number for number, names in enumerate(STAGES) for name in names}
    loss = DegradationLabelLoss(NAMES)
    mixtures = [label for label in steps if label not in NAMES]
    assert len(mixtures) > 20
    for label in mixtures:
        order = [next(n for n, one in single.items() if one == step) for step in steps[label]]
        assert [stage[name] for name in order] == sorted(stage[name] for name in order), label
        shares = dict(zip(NAMES, loss._spread(label), strict=True))
        assert {name for name, share in shares.items() if share} == set(order), label


def test_every_label_gives_samples(recipe):
    for label, steps in recipe['degradations'].items():
        dataset = DATASETS.build(
            recipe | {'degradations': {label: steps}, 'weights': {}, 'patch_size': 32}
        )
        errors = [
            float((one['image'] - one['target']).abs().mean())
            for one in map(dataset.__getitem__, range(8))
        ]
        assert dataset[0]['label'] == label
        assert dataset[0]['image'].shape == (3, 32, 32)
        if label == 'clean':
            assert max(errors) == 0
        else:
            assert max(errors) > 0.01
            assert min(errors) < 0.6 * max(errors), f'{label}: one strength only'


def test_more_than_half_are_single_and_some_are_clean(recipe):
    dataset = DATASETS.build(dict(recipe))
    shares = dict(zip(dataset.labels, dataset.shares, strict=True))
    assert 0.05 < shares['clean'] < 0.1
    assert 0.5 < sum(shares[name] for name in NAMES if name != 'clean') < 0.6


def test_weather_as_a_camera_sees_it_is_drawn_for_every_label():
    text = (ROOT / 'configs/_base_/datasets/weather.yaml').read_text()
    content = yaml.safe_load(text)
    dataset = DATASETS.build(content['train_dataloader']['dataset'] | {'patch_size': 48})
    assert dataset.labels == ('clean', 'haze', 'rain', 'snow', 'haze_rain', 'haze_snow')
    items = {}
    for index in range(60):
        item = dataset[index]
        items.setdefault(item['label'], item)
    assert set(items) == set(dataset.labels)
    for label, item in items.items():
        assert (item['image'] == item['target']).all() == (label == 'clean')
