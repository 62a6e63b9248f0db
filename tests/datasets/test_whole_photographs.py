import numpy as np
import pytest
import torch
import yaml

from irbox.datasets import EmbeddedDataset, WholePhotographs
from irbox.datasets.photographs import RESERVED, TRAINING, photograph
from irbox.registry import DATASETS
from support.paths import ROOT

NOISE = {'type': 'GaussianNoise', 'sigma': 25}
HAZE = {'type': 'Haze'}


def test_every_photograph_label_and_draw():
    dataset = WholePhotographs({'noise': NOISE, 'clean': []}, longest_side=64, draws=2)
    names = [sample['name'] for sample in (dataset[i] for i in range(len(dataset)))]
    assert names == [
        f'{name}_{label}_{draw}'
        for label in ('noise', 'clean')
        for name in RESERVED
        for draw in (1, 2)
    ]
    assert dataset.task_counts == {'noise': 6, 'clean': 6}
    assert dataset.metainfo == {'labels': ('noise', 'clean')}
    with pytest.raises(IndexError, match='12 samples'):
        dataset[12]


@pytest.mark.parametrize('name', RESERVED)
def test_whole_and_in_proportion(name):
    dataset = WholePhotographs({'clean': []}, photographs=[name], longest_side=96, draws=1)
    sample = dataset[0]
    width, height = photograph(name).image.size
    assert max(sample['image'].shape) == 96
    assert sample['image'].shape[2] / sample['image'].shape[1] == pytest.approx(
        width / height, 0.02
    )
    torch.testing.assert_close(sample['image'], sample['target'], rtol=0, atol=0)


def test_small_photographs_are_not_enlarged():
    sample = WholePhotographs({'clean': []}, photographs=['chelsea'], longest_side=4000)[0]
    pixels = np.asarray(photograph('chelsea').image).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.rint(255 * sample['target'].numpy()), pixels)


def test_a_sample_depends_on_nothing_beside_it():
    both = WholePhotographs({'haze': HAZE, 'noise': NOISE}, longest_side=64)
    alone = WholePhotographs({'noise': NOISE}, photographs=['chelsea'], longest_side=64)
    first = next(one for one in (both[i] for i in range(18)) if one['name'] == 'chelsea_noise_2')
    torch.testing.assert_close(first['image'], alone[1]['image'], rtol=0, atol=0)
    other = WholePhotographs({'noise': NOISE}, photographs=['chelsea'], longest_side=64, seed=1)
    images = [alone[0]['image'], alone[1]['image'], other[0]['image']]
    assert not any(torch.equal(images[a], images[b]) for a, b in ((0, 1), (0, 2)))


def test_nothing_chosen_by_sees_the_reserved():
    """What trainings and choices may read does not contain what the test reads."""
    dataset = WholePhotographs({'clean': []}, photographs='training', longest_side=32)
    assert dataset.names == TRAINING
    trained = {one.name for one in EmbeddedDataset({'clean': []}, patch_size=32).photographs}
    assert not trained & set(RESERVED)


def test_the_config_degrades_as_the_demo_does():
    folder = ROOT / 'configs/_base_/datasets'
    whole = yaml.safe_load((folder / 'whole_photographs.yaml').read_text())
    demo = yaml.safe_load((folder / 'embedded_demo.yaml').read_text())
    tested = whole['test_dataloader']['dataset']
    chosen_by = whole['val_dataloader']['dataset']
    ours = tested['degradations']
    assert demo['val_dataloader']['dataset']['degradations'].items() <= ours.items()
    assert chosen_by['degradations'] == ours
    assert (tested['photographs'], chosen_by['photographs']) == ('reserved', 'training')
    dataset = DATASETS.build(tested | {'longest_side': 48, 'draws': 1})
    for index in range(len(dataset)):
        sample = dataset[index]
        same = torch.equal(sample['image'], sample['target'])
        assert same == (sample['label'] == 'clean'), sample['name']


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="photographs: 'paris' is unknown. Choose among"):
        WholePhotographs({'clean': []}, photographs=['paris'])
    with pytest.raises(ValueError, match='degradations is empty'):
        WholePhotographs({})
