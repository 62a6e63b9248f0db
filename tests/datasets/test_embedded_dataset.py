import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from irbox.datasets import embedded_dataset
from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.embedded_dataset import EmbeddedDataset
from irbox.datasets.photographs import HELD_OUT, TRAINING
from irbox.registry import DATASETS, TRANSFORMS

DEGRADATIONS = {
    'haze': {'type': 'Haze'},
    'rain': [{'type': 'DenseRain'}],
    'low_noise': [{'type': 'LowLight'}, {'type': 'GaussianNoise', 'sigma': 15}],
}


def make(**options):
    return EmbeddedDataset(
        **{'degradations': DEGRADATIONS, 'patch_size': 32, 'length': 50} | options
    )


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, second[key], rtol=0, atol=0)
        else:
            assert value == second[key]


@pytest.mark.parametrize('split', ['train', 'test'])
def test_items_keep_the_contract(split):
    dataset = make(split=split, size=48, color_jitter=True)
    side = 32 if split == 'train' else 48
    for index in range(min(len(dataset), 12)):
        item = dataset[index, 7]
        assert set(item) == {'image', 'target', 'label', 'name'}
        for key in ('image', 'target'):
            assert item[key].shape == (3, side, side)
            assert item[key].dtype == torch.float32
            assert 0 <= item[key].min() <= item[key].max() <= 1
            torch.testing.assert_close(
                item[key] * 255, (item[key] * 255).round(), atol=1e-3, rtol=0
            )
        assert item['label'] in DEGRADATIONS
        assert '/' not in item['name']
        assert not torch.equal(item['image'], item['target'])


def test_a_sample_depends_on_seed_index_and_draw_alone():
    expected = make()[3, 900]
    dataset = make()
    for other in range(20):
        dataset[other, other]
    assert_same(dataset[3, 900], expected)
    for other in (make()[3, 901], make()[4, 900], make(seed=1)[3, 900]):
        assert not torch.equal(other['target'], expected['target'])
    assert_same(make()[5], make()[5, 0])


@pytest.mark.parametrize('num_workers', [0, 1, 2])
def test_workers_do_not_change_what_is_seen(num_workers):
    dataset = make()
    loader = DataLoader(
        dataset, batch_size=4, sampler=DrawSampler(dataset, seed=3), num_workers=num_workers
    )
    batches = iter(loader)
    seen = [next(batches) for _ in range(3)]
    draws = iter(DrawSampler(dataset, seed=3))
    for batch in seen:
        assert_same(batch, default_collate([make()[next(draws)] for _ in range(4)]))


def test_labels_follow_the_weights():
    dataset = make(weights={'haze': 3, 'low_noise': 0}, dead_leaves=0, length=400, patch_size=8)
    labels = [dataset[index]['label'] for index in range(400)]
    assert labels.count('low_noise') == 0
    assert labels.count('haze') == pytest.approx(300, abs=30)


def test_labels_are_drawn_evenly_without_weights():
    dataset = make(dead_leaves=0, length=600, patch_size=8)
    labels = [dataset[index]['label'] for index in range(600)]
    assert all(labels.count(label) == pytest.approx(200, abs=40) for label in DEGRADATIONS)


def test_held_out_photographs_are_never_trained_on(monkeypatch):
    """Neither as crops nor as the colours of dead leaves."""
    used = set()
    real = embedded_dataset.photograph

    def spy(name):
        used.add(name)
        return real(name)

    monkeypatch.setattr(embedded_dataset, 'photograph', spy)
    embedded_dataset._canvas.cache_clear()
    dataset = make(patch_size=8)
    names = {dataset[index]['name'].split('_')[0] for index in range(len(dataset))}
    assert used == set(TRAINING)
    assert not used & set(HELD_OUT)
    assert names <= set(TRAINING) | {'leaves'}
    used.clear()
    tested = make(split='test', size=16)
    assert {tested[i]['name'].split('_')[0] for i in range(len(tested))} == set(HELD_OUT) == used


def test_the_test_set_is_every_photograph_crop_and_label():
    dataset = make(split='test', size=24, crops=3)
    names = [dataset[index]['name'] for index in range(len(dataset))]
    assert len(set(names)) == len(names) == 2 * 3 * 3
    assert names[:4] == ['china_1_haze', 'china_1_rain', 'china_1_low_noise', 'china_2_haze']
    clean = [dataset[index]['target'] for index in (0, 3, 6)]
    assert not torch.equal(clean[0], clean[1])
    torch.testing.assert_close(dataset[0]['target'], dataset[1]['target'], rtol=0, atol=0)
    assert [dataset[0]['name'], make(split='test', size=24)[0]['name']] == [
        'china_1_haze',
        'china_haze',
    ]


def test_degraded_crops_see_beyond_their_border():
    """A chain gets the margins of its steps, and the result is cut back to the patch."""
    seen = []

    @TRANSFORMS.register_module(force=True)
    class _Spy:
        margin = 5

        def __call__(self, image, rng, depth):
            seen.append((image.shape, depth.shape))
            return image

    spied = {'spied': [{'type': '_Spy'}, {'type': 'LowLight'}]}
    try:
        for options in ({'split': 'train'}, {'split': 'test', 'size': 32}):
            item = make(degradations=spied, **options)[0]
            assert item['image'].shape == (3, 32, 32)
    finally:
        TRANSFORMS._module_dict.pop('_Spy')
    side = 32 + 2 * (5 + 6)
    assert seen == [((side, side, 3), (side, side))] * 2


def test_clean_test_image_is_the_photograph_scaled_down():
    clean = make(split='test', size=300)[3]['target']
    chelsea = np.asarray(embedded_dataset.photograph('chelsea').image)
    # 451x300 is not scaled at size 300: the middle columns from 75.5 on.
    between = (chelsea[:, 75:375].astype(float) + chelsea[:, 76:376]) / 2 / 255
    assert np.abs(clean.numpy().transpose(1, 2, 0) - between).mean() < 0.02


def test_without_scaling_crops_are_pixels_of_the_photograph():
    dataset = make(max_scale=1, dead_leaves=0, dihedral=False)
    item = dataset[2]
    crop = (item['target'].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
    source = next(p for p in dataset.photographs if item['name'].startswith(p.name))
    pixels = np.asarray(source.image)
    windows = np.lib.stride_tricks.sliding_window_view(pixels[..., 0], (32, 32))
    places = np.argwhere((windows[..., :2, :] == crop[:2, :, 0]).all(axis=(2, 3)))
    assert any(np.array_equal(pixels[y : y + 32, x : x + 32], crop) for y, x in places)


def test_canvases_come_and_go_with_the_draws():
    dataset = make(dead_leaves=1, patch_size=8)
    names = {dataset[0, draw]['name'] for draw in (0, 255, 100 * 256)}
    numbers = sorted(int(name.split('_')[1]) for name in names)
    assert all(number < embedded_dataset.CANVASES for number in numbers[:2])
    assert 100 <= numbers[2] < 100 + embedded_dataset.CANVASES


def test_null_takes_a_label_away():
    assert make(degradations=DEGRADATIONS | {'haze': None}).labels == ('rain', 'low_noise')


def test_an_empty_list_leaves_images_clean():
    item = make(degradations={'clean': []})[0]
    assert item['label'] == 'clean'
    assert torch.equal(item['image'], item['target'])


def test_metainfo_names_the_labels():
    assert make().metainfo == {'labels': ('haze', 'rain', 'low_noise')}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'split': 'val'}, "split: 'val' is unknown. Choose 'train' or 'test'"),
        ({'dead_leaves': 1.5}, 'dead_leaves: 1.5 must be a number of at least 0 and of at most 1'),
        ({'max_scale': 0.5}, 'max_scale: 0.5 must be .*at least 1. Crops are never enlarged'),
        ({'patch_size': 0}, 'patch_size: 0 must'),
        ({'patch_size': 390}, 'patch_size=390 does not fit the photograph coffee. Use 388'),
        ({'crops': 0}, 'crops: 0 must'),
        ({'degradations': {}}, 'degradations is empty'),
        ({'degradations': {'a/b': {'type': 'Haze'}}}, "contains '/'"),
        ({'degradations': {'haze': {'type': 'Hase'}}}, "Did you mean 'Haze'"),
        ({'weights': {'hase': 1}}, "labelled 'hase'. Did you mean 'haze'"),
        ({'weights': {'haze': -1}}, 'weights.haze: -1 must be a number of at least 0'),
        ({'weights': dict.fromkeys(DEGRADATIONS, 0)}, 'all of them are 0'),
    ],
)
def test_mistakes_are_named(options, message):
    config = {'type': 'EmbeddedDataset', 'degradations': DEGRADATIONS, **options}
    with pytest.raises(ValueError, match=message):
        DATASETS.build(config)


def test_index_out_of_range():
    with pytest.raises(IndexError):
        make()[50]


def test_builds_from_a_config():
    config = {'type': 'EmbeddedDataset', 'degradations': DEGRADATIONS, 'split': 'test'}
    assert len(DATASETS.build(config)) == 6


def test_samples_of_each_task_by_weight():
    given = {'haze': {'type': 'Haze'}, 'rain': {'type': 'DenseRain'}}
    dataset = EmbeddedDataset(given, weights={'haze': 3}, length=100)
    assert dataset.task_counts == pytest.approx({'haze': 75, 'rain': 25})
    dataset = EmbeddedDataset(given, split='test', weights={'haze': 3})
    assert dataset.task_counts == {'haze': 2, 'rain': 2}
