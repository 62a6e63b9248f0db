"""Noise of test images: the same whatever else is there, and truncated."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from irbox.datasets import PairedImageDataset
from irbox.datasets.photographs import photograph
from support.data_trees import picture, save


def noisy(root, sigma=25, seed=0, **source):
    source = {'set': 'cbsd68', 'root': str(root), **source}
    degrade = {'type': 'GaussianNoise', 'sigma': sigma}
    return PairedImageDataset({'noise': {**source, 'degrade': degrade}}, seed=seed)


@pytest.fixture
def root(tmp_path):
    for number in (2, 3, 10):
        save(tmp_path / 'sets' / f'{number}.png', picture(number))
    return tmp_path / 'sets'


def by_name(dataset):
    return {dataset[i]['name']: dataset[i]['image'] for i in range(len(dataset))}


def test_noise_does_not_depend_on_other_files_or_their_order(root):
    before = by_name(noisy(root))
    save(root / '1.png', picture(1))
    (root / '3.png').unlink()
    after = by_name(noisy(root))
    assert set(after) == {'1', '2', '10'}
    assert torch.equal(after['2'], before['2'])
    assert torch.equal(after['10'], before['10'])


def test_noise_does_not_depend_on_the_folder_or_the_file_type(root, tmp_path):
    save(tmp_path / 'copy' / '2.bmp', picture(2))
    assert torch.equal(noisy(tmp_path / 'copy')[0]['image'], noisy(root)[0]['image'])


@pytest.mark.parametrize('workers', [0, 1, 2])
@pytest.mark.filterwarnings('ignore:This DataLoader')
def test_noise_does_not_depend_on_workers(root, workers):
    expected = by_name(noisy(root))
    for item in DataLoader(noisy(root), batch_size=None, num_workers=workers):
        assert torch.equal(item['image'], expected[item['name']])


def test_noise_depends_on_seed_name_and_sigma(root, tmp_path):
    save(tmp_path / 'twice' / 'a.png', picture(2))
    save(tmp_path / 'twice' / 'b.png', picture(2))
    one, other = (noisy(tmp_path / 'twice')[i]['image'] for i in (0, 1))
    assert not torch.equal(one, other)
    assert not torch.equal(noisy(root, seed=1)[0]['image'], noisy(root)[0]['image'])
    # Not the same noise at another strength, either.
    weak, strong = (noisy(root, sigma)[0] for sigma in (15, 50))
    first = (weak['image'] - weak['target']).flatten()
    second = (strong['image'] - strong['target']).flatten()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert torch.equal(noisy(root, 25.0)[0]['image'], noisy(root, 25)[0]['image'])


@pytest.mark.parametrize(('sigma', 'expected'), [(15, -0.46), (25, -0.44), (50, -0.39)])
def test_noise_is_truncated(tmp_path, sigma, expected):
    """``uint8(trunc(clip(x)))``: half a grey level is lost on average where nothing is clipped."""
    save(tmp_path / 'x.png', photograph('china').image.crop((0, 0, 480, 320)))
    dataset = noisy(tmp_path, sigma)
    item = dataset[0]
    degraded = item['image'].permute(1, 2, 0).numpy().astype(np.float64) * 255
    np.testing.assert_allclose(degraded, np.rint(degraded), atol=1e-4)
    # The same noise again, before it is truncated.
    rng = dataset._generator_of_file(0, 0)
    rng.integers(1)
    noise = rng.standard_normal((320, 480, 3), dtype=np.float32)
    clean = item['target'].permute(1, 2, 0).numpy().astype(np.float64) * 255
    exact = (clean + sigma * noise).clip(0, 255)
    assert np.abs(np.rint(degraded) - np.trunc(exact)).mean() < 1e-3
    assert (degraded - exact).mean() == pytest.approx(expected, abs=0.01)


def test_unclipped_noise_reaches_the_network_as_it_is(root):
    source = {'set': 'cbsd68', 'root': str(root)}
    unclipped = {'type': 'GaussianNoise', 'sigma': 50, 'clip': False}

    def image(*steps):
        return PairedImageDataset({'noise': {**source, 'degrade': list(steps)}})[0]['image']

    free = image(unclipped)
    assert free.min() < 0 and free.max() > 1
    assert (free * 255).frac().abs().gt(1e-3).float().mean() > 0.9
    # As soon as something comes behind it, a file could hold it.
    behind = image(unclipped, {'type': 'JPEGCompression', 'quality': 95})
    assert behind.min() >= 0 and behind.max() <= 1
    torch.testing.assert_close(behind * 255, (behind * 255).round(), atol=1e-4, rtol=0)
