import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from irbox.evaluation.metric_weights import find_weights
from irbox.evaluation.network_metric import NetworkMetric


class BlueShift(NetworkMetric):
    package, file, source = 'blue-shift', 'blue.pth', 'its authors'

    def build_network(self, package, file):
        network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Dropout())
        network.load_state_dict(torch.load(file, weights_only=True))
        package.built_from = file
        return network

    def score(self, restored, target):
        return {'shift': self.network(self.as_written(restored)).mean((1, 2, 3))}


@pytest.fixture
def package(monkeypatch):
    module = ModuleType('blue_shift')
    monkeypatch.setitem(sys.modules, 'blue_shift', module)
    return module


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / 'mine.pth'
    torch.save(nn.Sequential(nn.Conv2d(3, 1, 1), nn.Dropout()).state_dict(), path)
    return path


def test_the_network_is_built_from_the_file_and_frozen(package, weights):
    metric = BlueShift(str(weights))
    assert package.built_from == weights
    assert not metric.network.training
    assert not any(one.requires_grad for one in metric.network.parameters())


def test_images_are_judged_as_they_are_or_as_a_file_would_have_them(package, weights):
    image = torch.rand(1, 3, 16, 16)
    assert BlueShift(str(weights)).as_written(image) is image
    coarse, fine = (BlueShift(str(weights), quality).as_written(image) for quality in (5, 95))
    assert coarse.dtype == torch.float32 and coarse.min() >= 0 and coarse.max() <= 1
    assert (coarse - image).abs().mean() > (fine - image).abs().mean() > 0


def test_the_package_is_asked_for_by_the_name_that_pip_knows(monkeypatch):
    monkeypatch.setitem(sys.modules, 'blue_shift', None)
    with pytest.raises(ImportError, match='BlueShift needs blue_shift .*pip install blue-shift'):
        BlueShift()
    with pytest.raises(ValueError, match='jpeg_quality=101'):
        BlueShift(jpeg_quality=101)


def test_weights_are_where_the_user_says_or_where_torch_hub_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setenv('HOME', str(tmp_path))
    there = tmp_path / 'hub/checkpoints/blue.pth'
    told = 'It: blue.pth is not in .*checkpoints. Get the file blue.pth from there and give .*weigh'
    with pytest.raises(FileNotFoundError, match=told):
        find_weights(None, 'blue.pth', 'It', 'there')
    there.parent.mkdir(parents=True)
    there.touch()
    assert find_weights(None, 'blue.pth', 'It', 'there') == there
    assert find_weights('~/hub/checkpoints/blue.pth', 'other.pth', 'It', 'there') == there
    with pytest.raises(FileNotFoundError, match=f'It: weights={tmp_path} does not exist'):
        find_weights(tmp_path, 'blue.pth', 'It', 'there')
