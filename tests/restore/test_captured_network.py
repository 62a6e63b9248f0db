"""A network as a CUDA graph: the same answers, and the network itself wherever it cannot be one."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import irbox
from irbox.benchmark.networks import read_network
from irbox.restore import captured_network
from irbox.restore.captured_network import SWITCH, CapturedNetwork
from support.paths import ROOT

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')


class Doubling(nn.Module):
    """A network that knows how often it was called."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image, context=None):
        self.calls += 1
        return 2 * image


@pytest.fixture
def doubling():
    return CapturedNetwork(Doubling())


@torch.no_grad()
def test_on_a_cpu_the_network_is_called_as_ever(doubling):
    image = torch.rand(1, 3, 8, 8)
    for calls in (1, 2, 3):
        assert torch.equal(doubling(image), 2 * image)
        assert doubling.network.calls == calls
    assert doubling.multiple == 4
    with pytest.raises(AttributeError, match='no_such'):
        doubling.no_such  # noqa: B018


@torch.no_grad()
def test_what_cannot_be_captured_is_said_once(doubling, monkeypatch):
    monkeypatch.setattr(doubling, '_can_capture', lambda *_: True)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda *_: None)
    said = []
    monkeypatch.setattr(captured_network, 'print_log', lambda text, logger: said.append(text))
    tries = []

    def capture(*_):
        tries.append(1)
        raise RuntimeError('operation not permitted when stream is capturing')

    monkeypatch.setattr(doubling, '_capture', capture)
    image = torch.rand(1, 3, 8, 8)
    for _ in range(4):
        assert torch.equal(doubling(image), 2 * image)
    assert len(tries) == 1
    assert len(said) == 1
    assert 'not permitted' in said[0]


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@torch.inference_mode()
def test_the_same_bits_from_the_second_image_on(precision):
    model = irbox.load('small', 'cuda', precision)
    assert isinstance(model.engine, CapturedNetwork)
    half = torch.autocast('cuda', torch.bfloat16, enabled=precision == 'bf16')
    for seed in range(4):
        image = torch.rand(1, 3, 96, 72, generator=torch.Generator().manual_seed(seed)).cuda()
        known = model.network.describe(image)
        expecting, given = (replace(known, routings=[]) for _ in range(2))
        with half:
            expected = model.network(image, expecting)
            answer = model.engine(image, given).clone()
        assert torch.equal(answer, expected)
    assert len(model.engine._graphs) == 1
    assert not model.engine._trouble


@pytest.mark.gpu
@needs_cuda
@torch.inference_mode()
def test_routings_are_those_of_the_image():
    network = read_network(str(ROOT / 'configs/_base_/models/m2ir.yaml')).build('cuda')
    captured = CapturedNetwork(network)
    for seed in range(3):
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).cuda()
        known = network.describe(image)
        expecting, given = (replace(known, routings=[]) for _ in range(2))
        assert torch.equal(captured(image, given).clone(), network(image, expecting))
        assert len(given.routings) == len(expecting.routings) > 0
        for one, other in zip(given.routings, expecting.routings, strict=True):
            assert torch.equal(one.weights, other.weights)
    assert captured._graphs


@pytest.mark.gpu
@needs_cuda
@torch.no_grad()
def test_weights_changed_in_place_count(monkeypatch):
    layer = nn.Conv2d(3, 3, 3, padding=1).cuda()
    captured = CapturedNetwork(layer)
    image = torch.rand(1, 3, 16, 16, device='cuda')
    for _ in range(3):
        assert torch.equal(captured(image), layer(image))
    layer.weight.data.mul_(2)
    assert torch.equal(captured(image), layer(image))
    assert captured._graphs
    captured._graphs.clear()
    monkeypatch.setenv(SWITCH, '0')
    captured(image)
    assert not captured._graphs


@pytest.mark.gpu
@needs_cuda
def test_a_picture_in_tiles_is_the_same(monkeypatch):
    image = torch.rand(3, 200, 168, generator=torch.Generator().manual_seed(0))
    model = irbox.load('small', 'cuda', 'fp32')
    captured = model.restore(image, tile=96)
    assert model.engine._graphs
    monkeypatch.setenv(SWITCH, '0')
    assert torch.equal(captured, model.restore(image, tile=96))
