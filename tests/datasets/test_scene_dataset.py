import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from irbox.datasets import scene_dataset
from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.scene_dataset import SceneDataset
from irbox.datasets.scenes.scene_bank import SceneBank
from irbox.datasets.scenes.write_bank import write_bank
from irbox.degradations.degradation import Degradation
from irbox.registry import DATASETS, TRANSFORMS

DEGRADATIONS = {
    'haze': {'type': 'Haze'},
    'dark_noise': [{'type': 'LowLight'}, {'type': 'GaussianNoise', 'sigma': 15}],
    'clean': [],
}


@pytest.fixture(scope='module')
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp('scenes')
    list(write_bank(path, 3, {'size': 64, 'seed': 0}))
    return path


def make(**options):
    return DATASETS.build(
        {
            'type': 'SceneDataset',
            'degradations': DEGRADATIONS,
            'patch_size': 24,
            'length': 60,
            **options,
        }
    )


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, second[key], rtol=0, atol=0)
        else:
            assert value == second[key]


@pytest.mark.parametrize('where', ['bank', 'on the fly', 'photographs'])
def test_items_keep_the_contract(bank, where):
    source = {
        'bank': {'bank': bank},
        'on the fly': {'scenes': {'size': 48}},
        'photographs': {'bank': bank, 'photographs': 1},
    }[where]
    dataset = make(**source, color_jitter=True)
    assert len(dataset) == 60
    names = set()
    for index in range(9):
        item = dataset[index, 3]
        assert set(item) == {'image', 'target', 'label', 'name'}
        for key in ('image', 'target'):
            assert item[key].shape == (3, 24, 24)
            assert item[key].dtype == torch.float32
            assert 0 <= item[key].min() <= item[key].max() <= 1
            steps = item[key] * 255
            torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
        assert torch.equal(item['image'], item['target']) == (item['label'] == 'clean')
        names.add(item['name'].split('_')[0])
    assert (names == {'scene'}) == (where != 'photographs')


def test_a_sample_depends_on_seed_index_and_draw_alone(bank):
    expected = make(bank=bank)[3, 900]
    dataset = make(bank=bank)
    for other in range(20):
        dataset[other, other]
    assert_same(dataset[3, 900], expected)
    for other in (
        make(bank=bank)[3, 901],
        make(bank=bank)[4, 900],
        make(bank=bank, seed=1)[3, 900],
    ):
        assert not torch.equal(other['target'], expected['target'])
    assert_same(make(bank=bank)[5], make(bank=bank)[5, 0])


@pytest.mark.parametrize('num_workers', [0, 2])
def test_workers_do_not_change_what_is_seen(bank, num_workers):
    dataset = make(bank=bank)
    loader = DataLoader(
        dataset, batch_size=4, sampler=DrawSampler(dataset, seed=3), num_workers=num_workers
    )
    batches = iter(loader)
    seen = [next(batches) for _ in range(2)]
    draws = iter(DrawSampler(dataset, seed=3))
    for batch in seen:
        assert_same(batch, default_collate([make(bank=bank)[next(draws)] for _ in range(4)]))


def test_crops_are_the_banks_own_pixels_where_nothing_is_scaled(bank):
    dataset = make(bank=bank, degradations={'clean': []}, max_scale=1, dihedral=False)
    item = dataset[2]
    number = int(item['name'].split('_')[1])
    picture = np.asarray(SceneBank(bank).read(number)[0].image)
    crop = np.rint(255 * item['target'].numpy().transpose(1, 2, 0)).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (24, 24, 3))
    assert (windows == crop).all(axis=(-3, -2, -1)).any()


def test_the_depth_of_the_scene_reaches_the_degradation(bank):
    @TRANSFORMS.register_module(name='TestShowsDepth')
    class ShowsDepth(Degradation):
        def apply(self, image, rng, depth):
            return np.repeat(depth[..., None], 3, axis=2)

    try:
        dataset = make(
            bank=bank,
            degradations={'depth': {'type': 'TestShowsDepth'}},
            patch_size=64,
            max_scale=1,
            dihedral=False,
        )
        item = dataset[0]
    finally:
        TRANSFORMS.module_dict.pop('TestShowsDepth')
    number = int(item['name'].split('_')[1])
    expected = np.asarray(SceneBank(bank).read(number)[0].depth)
    np.testing.assert_allclose(item['image'][0].numpy(), expected, atol=0.51 / 255)


def test_scenes_come_and_go_with_the_draws(monkeypatch):
    asked = []
    real = scene_dataset._scene
    monkeypatch.setattr(
        scene_dataset, '_scene', lambda options, number: asked.append(number) or real(options, 0)
    )
    dataset = make(scenes={'size': 32}, patch_size=8)
    dataset[0, 0], dataset[0, 256 * 100]
    assert 0 <= asked[0] < scene_dataset.LIVE_SCENES
    assert 100 <= asked[1] < 100 + scene_dataset.LIVE_SCENES


def test_labels_follow_the_weights(bank):
    dataset = make(bank=bank, weights={'haze': 3, 'dark_noise': 0}, patch_size=8, length=200)
    labels = [dataset[index]['label'] for index in range(200)]
    assert 0.6 < labels.count('haze') / 200 < 0.9
    assert 'dark_noise' not in labels
    assert dataset.task_counts == {'haze': 150, 'dark_noise': 0, 'clean': 50}
    assert dataset.metainfo == {'labels': ('haze', 'dark_noise', 'clean')}


def test_mistakes_are_named(bank, tmp_path):
    with pytest.raises(ValueError, match='take `scenes` away'):
        make(bank=bank, scenes={'size': 64})
    with pytest.raises(ValueError, match=r'scenes\.size: 1 must be at least 2'):
        make(scenes={'size': 1}, patch_size=1)
    with pytest.raises(ValueError, match='Use 52 at most'):
        make(bank=bank, patch_size=64)
    with pytest.raises(ValueError, match="Did you mean 'light'"):
        make(scenes={'ligth': False})
    with pytest.raises(FileNotFoundError, match='irbox make-scenes'):
        make(bank=tmp_path)
    with pytest.raises(IndexError):
        make(bank=bank)[60]
    assert SceneDataset.__name__ in DATASETS.module_dict
