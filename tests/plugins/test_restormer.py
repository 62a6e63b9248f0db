"""Restormer: counts and cost as published, and files with its released keys."""

import sys

import pytest
import torch
import yaml

from irbox.analysis.count_macs import count_macs
from irbox.config import load_plugins
from irbox.conversion.convert import convert as convert_file
from irbox.engine.checkpoint import read_checkpoint
from support.peers import (
    CONFIGS,
    ROOT,
    TINY,
    build,
    keeps_its_promises,
    loads_whole,
    parameters,
    trains,
)
from support.published_files import restormer_file as published_shapes

load_plugins([ROOT / 'plugins/restormer.py'])
PLUGIN = next(
    module
    for module in sys.modules.values()
    if getattr(module, '__file__', None) == str(ROOT / 'plugins/restormer.py')
)
NAMES = ('restormer_derain.yaml', 'restormer_deblur.yaml', 'restormer_denoise.yaml')
NAMES += ('restormer_defocus.yaml', 'restormer_sidd.yaml')
COUNTS = (26_126_644, 26_126_644, 26_111_668, 26_126_644, 26_111_668)


@pytest.mark.parametrize(('name', 'count'), list(zip(NAMES, COUNTS, strict=True)))
def test_parameters_and_keys(name, count):
    network = build(name, device='meta')
    assert parameters(network) == count
    published = published_shapes(not name.endswith(('denoise.yaml', 'sidd.yaml')))
    assert {PLUGIN._name(key) for key in network.state_dict()} == published.keys()
    assert sum(torch.Size(shape).numel() for shape in published.values()) == count


def test_cost():
    macs = count_macs(build(NAMES[0], device='meta'), 480, 720).total() / 1e9
    assert macs == pytest.approx(744.8, abs=0.05)


@pytest.mark.parametrize('name', [NAMES[0], NAMES[2]])
def test_promises(name):
    assert keeps_its_promises(build(name, TINY)) == (set(), set())


@pytest.mark.parametrize('bias', [True, False])
def test_a_file_loads_and_is_read_literally(bias):
    network = build(NAMES[0] if bias else NAMES[2], TINY)
    shapes = published_shapes(bias, 8, TINY['depths'], 1)
    file, own = loads_whole(network, PLUGIN.convert, shapes)
    block = network.decoders[2][0]
    x = 3 + torch.randn(1, 16, 6, 8)
    weight = file['decoder_level1.0.norm1.body.weight'][None, :, None, None]
    deviation = (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    wanted = x / deviation * weight
    if bias:
        shift = file['decoder_level1.0.norm1.body.bias'][None, :, None, None]
        wanted = (x - x.mean(1, keepdim=True)) / deviation * weight + shift
    torch.testing.assert_close(block.norm1(x), wanted, atol=1e-5, rtol=1e-5)


def test_a_released_file(tmp_path):
    """Weights under ``params``, beside what BasicSR keeps."""
    narrow = tmp_path / 'narrow.yaml'
    narrow.write_text(
        yaml.safe_dump({'_base_': str(CONFIGS / NAMES[2]), 'model': {'network': dict(TINY)}})
    )
    shapes = published_shapes(False, 8, TINY['depths'], 1)
    file = {name: torch.randn(shape) for name, shape in shapes.items()}
    torch.save({'params': file}, tmp_path / 'released.pth')
    done = convert_file(narrow, tmp_path / 'released.pth', tmp_path / 'own.pth')
    assert done.tensors == len(file) and not done.left_out
    own = read_checkpoint(tmp_path / 'own.pth')['state_dict']
    ours = own['network.bottleneck.1.attn.qkv.weight']
    assert torch.equal(ours, file['latent.1.attn.qkv.weight'])


def test_a_file_for_the_other_network_is_refused():
    file = {k: torch.randn(s) for k, s in published_shapes(True, 8, TINY['depths'], 1).items()}
    with pytest.raises(ValueError, match=r'unknown \(.*norm1\.body\.bias'):
        PLUGIN.convert(file, build(NAMES[2], TINY))


@pytest.mark.parametrize('name', NAMES)
def test_configs_train(name):
    trains(name)
