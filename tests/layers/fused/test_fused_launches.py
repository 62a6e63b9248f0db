"""How many kernels a pass or a step launches on a device, counted without one."""

import pytest
import torch

from irbox.benchmark.launches import count_launches, count_step
from irbox.benchmark.networks import read_network
from irbox.layers.fused.define import NAMES
from irbox.layers.fused.switch import SWITCH
from irbox.testing.reference import textbook
from support.paths import ROOT

NETWORKS = 'unet', 'm2ir', 'm2restore_official', 'm2restore'
IMAGE = 1, 3, 224, 224


def launches(network):
    return count_launches(network, torch.zeros(IMAGE, device='meta'))


@pytest.mark.parametrize('name', NETWORKS)
def test_two_fifths_of_the_textbooks_launches(name):
    described = read_network(str(ROOT / f'configs/_base_/models/{name}.yaml'))
    ours = launches(described.build('meta'))
    by_the_book = launches(textbook(described.build('meta'), 'operator'))
    assert ours.count <= 0.4 * by_the_book.count
    assert ours.read + ours.written < 0.54 * (by_the_book.read + by_the_book.written)
    assert not any(by_the_book.by_name[operator] for operator in NAMES)


def test_switched_off_there_are_none_of_ours(monkeypatch):
    network = read_network(str(ROOT / 'configs/_base_/models/unet.yaml')).build('meta')
    with_ours = launches(network)
    monkeypatch.setenv(SWITCH, '0')
    without = launches(network)
    assert not any(without.by_name[operator] for operator in NAMES)
    assert without.count > 2 * with_ours.count


def test_what_learns_launches_none_of_ours():
    network = read_network(str(ROOT / 'configs/_base_/models/unet.yaml')).build('meta')
    image = torch.zeros(1, 3, 64, 64, device='meta')
    found = count_launches(network, image, learns=True)
    assert not any(found.by_name[operator] for operator in NAMES)


LEARNS = {'unet': (0.48, 0.63, 0.53), 'm2ir': (0.62, 0.67, 0.58)}
"""Of the launches, of the bytes moved and of the memory of the textbook's training step."""


@pytest.mark.parametrize(('name', 'most'), LEARNS.items())
def test_a_training_step(name, most):
    described = read_network(str(ROOT / f'configs/_base_/models/{name}.yaml'))
    image = torch.zeros(1, 3, 128, 128, device='meta')
    ours = count_step(described.build('meta').train(), image)
    by_the_book = count_step(textbook(described.build('meta').train(), 'operator'), image)
    assert ours.count <= most[0] * by_the_book.count
    assert ours.read + ours.written <= most[1] * (by_the_book.read + by_the_book.written)
    assert ours.held <= most[2] * by_the_book.held
    assert not any(by_the_book.by_name[operator] for operator in NAMES)


def test_elsewhere_the_meta_device_takes_the_layers_own_path():
    """Costs are counted there, by products and convolutions."""
    from irbox.benchmark.launches import CountLaunches

    network = read_network(str(ROOT / 'configs/_base_/models/unet.yaml')).build('meta')
    with torch.no_grad(), CountLaunches() as counting:
        network(torch.zeros(1, 3, 64, 64, device='meta'))
    assert not any(counting.found.by_name[operator] for operator in NAMES)
