"""AdaIR: counts and cost as published, and the file of its public code read literally."""

import sys

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.config import load_plugins
from irbox.structures import Context
from support.peers import (
    ROOT,
    TINY,
    build,
    keeps_its_promises,
    loads_whole,
    parameters,
    trains,
)
from support.published_files import adair_file as published_shapes

load_plugins([ROOT / 'plugins/adair.py'])
PLUGIN = next(
    module
    for module in sys.modules.values()
    if getattr(module, '__file__', None) == str(ROOT / 'plugins/adair.py')
)


@pytest.fixture(scope='module')
def official():
    return build('adair_official.yaml', device='meta')


def test_parameters(official):
    assert parameters(official) == 28_784_824
    blocks = [parameters(chain) for chain in official.before_upsamples]
    assert blocks == [2_007_188, 515_300, 135_692]
    assert sum(torch.Size(s).numel() for s in published_shapes().values()) == 28_784_824


def test_parameters_without_the_layers_that_are_never_called(official):
    ours = build('adair.yaml', device='meta')
    # A 3x3 convolution 3 -> C and a 7x7 one 2 -> 2 with a bias, in each of three blocks.
    unused = sum(27 * dim + 2 * 2 * 49 + 2 for dim in (384, 192, 96))
    assert unused == 18_738
    assert parameters(ours) == 28_784_824 - unused
    assert all(weight.requires_grad for weight in ours.parameters())


def test_cost(official):
    # The public code's count is 777.55. Twice 0.015 are left out here: pooling for cut-offs that
    # lead to an empty band, and pooling of whole maps, which is a mean; 0.03 are operations on maps
    # that the two codes do not share.
    macs = count_macs(official, 480, 720).total() / 1e9
    assert macs == pytest.approx(777.55, abs=0.065)
    ours = count_macs(build('adair.yaml', device='meta'), 480, 720).total() / 1e9
    assert ours == pytest.approx(macs, abs=0.0005)


def test_promises():
    assert keeps_its_promises(build('adair.yaml', TINY)) == (set(), set())


def test_promises_as_published():
    without, zero = keeps_its_promises(build('adair_official.yaml', TINY))
    # Layers that are never called, cut-offs, and what asks by the empty low band.
    unused = ('conv.weight', 'score_gen.weight', 'score_gen.bias')
    cut_offs = ('split.rate_conv.0.weight', 'split.rate_conv.2.weight')
    query = ('attend_low.temperature', 'attend_low.q.weight', 'attend_low.q_dwconv.weight')

    def everywhere(names):
        return {f'before_upsamples.{i}.0.{name}' for i in range(3) for name in names}

    assert without == everywhere(unused + cut_offs)
    assert zero == everywhere(query)


def literal_attention(file, name, query, source):
    """MDTA with q and kv split, 4 heads."""

    def conv(part, x, **options):
        return F.conv2d(x, file[f'{name}.{part}.weight'], **options)

    def depthwise(part, x):
        return conv(part, x, padding=1, groups=x.shape[1])

    q = depthwise('q_dwconv', conv('q', query))
    k, v = depthwise('kv_dwconv', conv('kv', source)).chunk(2, 1)
    q, k, v = (x.unflatten(1, (4, -1)).flatten(3) for x in (q, k, v))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    weights = (q @ k.mT * file[f'{name}.temperature']).softmax(-1)
    return conv('project_out', (weights @ v).flatten(1, 2).unflatten(2, query.shape[2:]))


def literal_block(file, image, y):
    """Section 3, steps 1 to 5, on the published keys; also the size of the low band's box."""
    height, width = y.shape[-2:]
    f = F.interpolate(image, (height, width), mode='bilinear', align_corners=False)
    f = F.conv2d(f, file['conv1.weight'], padding=1)
    hidden = F.conv2d(f.mean((2, 3), keepdim=True), file['rate_conv.0.weight'])
    t = F.conv2d(F.gelu(hidden), file['rate_conv.2.weight']).sigmoid().flatten(1)
    spectrum = torch.fft.fft2(f).roll((height // 2, width // 2), (2, 3))
    mask = torch.zeros_like(f)
    for number, (vertical, horizontal) in enumerate(t.tolist()):
        s, z = int((height // 128) * vertical), int((width // 128) * horizontal)
        rows = slice(height // 2 - s, height // 2 + s)
        mask[number, :, rows, width // 2 - z : width // 2 + z] = 1

    def back(band):
        return torch.fft.ifft2(band.roll((-(height // 2), -(width // 2)), (2, 3))).abs()

    low, high = back(spectrum * mask), back(spectrum * (1 - mask))
    # The layers named l serve the high band.
    high = literal_attention(file, 'channel_cross_l', high, y)
    low = literal_attention(file, 'channel_cross_h', low, y)

    def gate(x):
        names = ('frequency_refine.ChannelGate.mlp.0', 'frequency_refine.ChannelGate.mlp.2')
        first, second = (file[f'{name}.weight'] for name in names)
        return F.conv2d(F.conv2d(x, first).relu(), second)

    by_channel = gate(low.mean((2, 3), keepdim=True)) + gate(low.amax((2, 3), keepdim=True))
    seen = torch.cat([high.amax(1, keepdim=True), high.mean(1, keepdim=True)], 1)
    by_pixel = F.conv2d(seen, file['frequency_refine.SpatialGate.spatial.weight'], padding=3)
    mixed = high * by_channel.sigmoid() + low * by_pixel.sigmoid()
    proj = 'frequency_refine.proj'
    a = F.conv2d(mixed, file[f'{proj}.weight'], file[f'{proj}.bias'])
    answer = literal_attention(file, 'channel_cross_agg', y, a)
    return answer * file['para1'] + y * file['para2'], mask.any()


@pytest.mark.parametrize(('size', 'holds'), [((24, 40), False), ((257, 300), True)])
def test_the_converted_block_equals_the_published_one(size, holds):
    network = build('adair_official.yaml', TINY)
    shapes = published_shapes(8, TINY['depths'], 1)
    file, _ = loads_whole(network, PLUGIN.convert, shapes)
    fre3 = {name.removeprefix('fre3.'): w for name, w in file.items() if name.startswith('fre3.')}
    image, y = torch.rand(1, 3, 2 * size[0], 2 * size[1]), torch.randn(1, 16, *size)
    # Cut-offs at three quarters: a box of one frequency to each side from 256 pixels on.
    seen = F.interpolate(image, size, mode='bilinear', align_corners=False)
    embedded = F.conv2d(seen, fre3['conv1.weight'], padding=1).mean((2, 3), keepdim=True)
    hidden = F.gelu(F.conv2d(embedded, fre3['rate_conv.0.weight']))
    fre3['rate_conv.2.weight'].copy_(hidden.flatten()[None, :, None, None] / hidden.square().sum())
    network.load_state_dict(PLUGIN.convert({f'net.{k}': v for k, v in file.items()}, network))
    wanted, found = literal_block(fre3, image, y)
    assert bool(found) == holds
    with torch.no_grad():
        answer = network.before_upsamples[2][0](y, Context(image))
    torch.testing.assert_close(answer, wanted, atol=1e-3, rtol=1e-3)


def test_layers_that_are_never_called_are_left_out_where_the_network_has_none():
    network = build('adair.yaml', TINY)
    file = {k: torch.randn(s) for k, s in published_shapes(8, TINY['depths'], 1).items()}
    own = PLUGIN.convert(file, network)
    network.load_state_dict(own, strict=True)
    assert len(file) - len(own) == 3 * 3


def test_the_low_band_is_empty_only_as_published():
    image = torch.rand(1, 3, 8, 8)
    for name, empty in (('adair.yaml', False), ('adair_official.yaml', True)):
        block = build(name, TINY).before_upsamples[2][0]
        low, _ = block.split(block.embed(image))
        assert bool(low.any()) is not empty, name


@pytest.mark.parametrize('name', ['adair.yaml', 'adair_official.yaml', 'adair_demo.yaml'])
def test_configs_train(name):
    trains(name)
