"""NAFNet: counts and cost as published, files with its released keys, the answer by the book."""

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.config.load_config import load_config
from irbox.registry import DATASETS
from support.data_trees import save
from support.paths import ROOT
from support.peers import build, keeps_its_promises, loads_whole, parameters, plugin, trains

plugin('naf_block.py')
PLUGIN = plugin('nafnet.py')
DEBLUR = ((1, 1, 1, 28), 1, (1, 1, 1, 1))
DENOISE = ((2, 2, 4, 8), 12, (2, 2, 2, 2))
SMALL = {'dim': 6, 'depths': [1, 2, 1], 'decoder_depths': [1, 2]}
LAYOUT = ((1, 2), 1, (1, 2))  # SMALL, in the words of the published keys


def block_shapes(name, c):
    for layer in ('norm1', 'norm2'):
        yield from ((f'{name}.{layer}.{kind}', (c,)) for kind in ('weight', 'bias'))
    layers = {'conv1': 2 * c, 'conv3': c, 'sca.1': c, 'conv4': 2 * c, 'conv5': c}
    for layer, out in layers.items():
        yield f'{name}.{layer}.weight', (out, c, 1, 1)
        yield f'{name}.{layer}.bias', (out,)
    yield f'{name}.conv2.weight', (2 * c, 1, 3, 3)
    yield f'{name}.conv2.bias', (2 * c,)
    yield from ((f'{name}.{factor}', (1, c, 1, 1)) for factor in ('beta', 'gamma'))


def published_shapes(width, encoder, middle, decoder):
    """Section 7: keys and shapes."""
    shapes = {'intro.weight': (width, 3, 3, 3), 'intro.bias': (width,)}
    shapes |= {'ending.weight': (3, width, 3, 3), 'ending.bias': (3,)}
    levels = len(encoder)
    for level, depth in enumerate(encoder):
        c = width * 2**level
        for i in range(depth):
            shapes |= dict(block_shapes(f'encoders.{level}.{i}', c))
        shapes[f'downs.{level}.weight'] = (2 * c, c, 2, 2)
        shapes[f'downs.{level}.bias'] = (2 * c,)
    for i in range(middle):
        shapes |= dict(block_shapes(f'middle_blks.{i}', width * 2**levels))
    for number, depth in enumerate(decoder):
        c = width * 2 ** (levels - number)
        shapes[f'ups.{number}.0.weight'] = (2 * c, c, 1, 1)
        for i in range(depth):
            shapes |= dict(block_shapes(f'decoders.{number}.{i}', c // 2))
    return shapes


@pytest.mark.parametrize(
    ('name', 'width', 'layout', 'count', 'gmacs'),
    [
        ('nafnet_deblur.yaml', 32, DEBLUR, 17_111_907, 15.96),
        ('nafnet_deblur_64.yaml', 64, DEBLUR, 67_888_835, 63.06),
        ('nafnet_reds.yaml', 64, DEBLUR, 67_888_835, 63.06),
        ('nafnet_denoise.yaml', 32, DENOISE, 29_159_715, 16.05),
        ('nafnet_denoise_64.yaml', 64, DENOISE, 115_982_915, 63.24),
    ],
)
def test_parameters_keys_and_cost(name, width, layout, count, gmacs):
    network = build(name, device='meta').eval()
    assert parameters(network) == count
    shapes = published_shapes(width, *layout)
    assert len(shapes) == 664
    assert {PLUGIN._name(k): tuple(v.shape) for k, v in network.state_dict().items()} == shapes
    # The published count leaves out biases: at most two values a channel and layer here.
    macs = count_macs(network, 256, 256).total() / 1e9
    assert macs == pytest.approx(gmacs, rel=0.02)


@pytest.mark.parametrize('inner', ['', '{sequence}'])
def test_reds_as_pairs_of_equal_names_and_as_frames_of_sequences(inner, tmp_path):
    for half in ('train', 'val'):
        for side in ('input', 'target'):
            for sequence in ('000', '001') if inner else ('',):
                save(tmp_path / 'REDS' / half / side / sequence / f'{half}_1.png')
    changes = {'data_root': str(tmp_path)}
    if inner:
        for section in ('train_dataloader', 'val_dataloader.reds'):
            half = section[: section.index('_')]
            changes[f'{section}.dataset.sources.reds'] = {
                '_delete_': True,
                **{side: f'REDS/{half}/{side}/{inner}' for side in ('input', 'target')},
            }
    config = load_config(ROOT / 'configs/plugins/nafnet_reds.yaml', changes)
    assert [name for name, one in config.val_dataloader.items() if one] == ['reds']
    assert config.val_evaluator.protocol == 'basicsr' and config.train_cfg.max_iters == 400_000
    for loader in (config.train_dataloader, config.val_dataloader.reds):
        assert DATASETS.build(loader.dataset).task_counts == {'reds': 2 if inner else 1}


@pytest.mark.parametrize('name', ['nafnet_deblur.yaml', 'nafnet_denoise.yaml'])
def test_parameters_part_by_part(name):
    network = build(name, device='meta')
    assert parameters(network.embed) == 896 and parameters(network.output) == 867
    assert parameters(network.downs) == 697_280 and parameters(network.ups) == 696_320
    found = [parameters(part) for part in (network.encoders, network.middle, network.decoders)]
    assert (
        found
        == {
            'nafnet_deblur.yaml': [13_239_520, 1_851_904, 625_120],
            'nafnet_denoise.yaml': [4_291_264, 22_222_848, 1_250_240],
        }[name]
    )


@pytest.mark.parametrize('window', [None, 12])
def test_promises(window):
    network = build('nafnet_deblur.yaml', SMALL | {'window': window})
    assert keeps_its_promises(network) == (set(), set())


def literal_mean(x, window):
    """The test-time mean, pixel by pixel."""
    height, width = x.shape[-2:]
    if window is None or (window >= height and window >= width):
        return x.mean((2, 3), keepdim=True)
    k, m = min(window, height), min(window, width)
    top, left = (height - (height - k + 1)) // 2, (width - (width - m + 1)) // 2
    answer = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            a = min(max(i - top, 0), height - k)
            b = min(max(j - left, 0), width - m)
            answer[..., i, j] = x[..., a : a + k, b : b + m].mean((2, 3))
    return answer


def literal_block(file, name, x, window):
    def conv(layer, x, **options):
        return F.conv2d(x, file[f'{name}.{layer}.weight'], file[f'{name}.{layer}.bias'], **options)

    def norm(layer, x):
        mean = x.mean(1, keepdim=True)
        x = (x - mean) / ((x - mean).square().mean(1, keepdim=True) + 1e-6).sqrt()
        scale, shift = (file[f'{name}.{layer}.{kind}'] for kind in ('weight', 'bias'))
        return x * scale[:, None, None] + shift[:, None, None]

    def half(x):
        first, second = x.chunk(2, 1)
        return first * second

    u = half(conv('conv2', conv('conv1', norm('norm1', x)), padding=1, groups=2 * x.shape[1]))
    x = x + file[f'{name}.beta'] * conv('conv3', u * conv('sca.1', literal_mean(u, window)))
    hidden = half(conv('conv4', norm('norm2', x)))
    return x + file[f'{name}.gamma'] * conv('conv5', hidden)


def literal(file, image, window=None):
    """Section 7 on the published keys, at the layout of SMALL."""
    encoder, middle, decoder = LAYOUT
    height, width = image.shape[-2:]
    image = F.pad(image, (0, -width % 4, 0, -height % 4))
    x = F.conv2d(image, file['intro.weight'], file['intro.bias'], padding=1)

    def local(level):
        # The map of a training image of 256 at this level, times 1.5.
        return None if window is None else (256 // 2**level) * window // 256

    skips = []
    for level, depth in enumerate(encoder):
        for i in range(depth):
            x = literal_block(file, f'encoders.{level}.{i}', x, local(level))
        skips.append(x)
        x = F.conv2d(x, file[f'downs.{level}.weight'], file[f'downs.{level}.bias'], stride=2)
    for i in range(middle):
        x = literal_block(file, f'middle_blks.{i}', x, local(2))
    for number, depth in enumerate(decoder):
        x = F.pixel_shuffle(F.conv2d(x, file[f'ups.{number}.0.weight']), 2) + skips[-1 - number]
        for i in range(depth):
            x = literal_block(file, f'decoders.{number}.{i}', x, local(1 - number))
    x = F.conv2d(x, file['ending.weight'], file['ending.bias'], padding=1) + image
    return x[..., :height, :width]


# Larger than the window, smaller, and larger in one direction.
@pytest.mark.parametrize('size', [(22, 29), (10, 11), (9, 31)])
@pytest.mark.parametrize('window', [None, 14])
def test_the_answer_is_the_papers(size, window):
    torch.manual_seed(0)
    network = build('nafnet_deblur.yaml', SMALL | {'window': window}).eval()
    file, _ = loads_whole(network, PLUGIN.convert, published_shapes(6, *LAYOUT))
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(
            network(image), literal(file, image, window), atol=1e-4, rtol=1e-4
        )


def test_windows_are_for_evaluation():
    network = build('nafnet_deblur.yaml', SMALL | {'window': 8})
    plain = build('nafnet_deblur.yaml', SMALL | {'window': None})
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    plain.load_state_dict(network.state_dict(), strict=True)
    image = torch.rand(1, 3, 16, 24)
    assert torch.equal(network.train()(image), plain.train()(image))
    assert not torch.allclose(network.eval()(image), plain.eval()(image))


def test_windows_of_each_level():
    network = build('nafnet_deblur.yaml', device='meta')
    chains = [*network.encoders, network.middle]
    assert [chain[0].sca[0].window for chain in chains] == [384, 192, 96, 48, 24]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='one number more'):
        build('nafnet_deblur.yaml', {'decoder_depths': [1, 1]}, device='meta')


NAMES = ('deblur', 'deblur_64', 'denoise', 'denoise_64', 'demo')


@pytest.mark.parametrize('name', NAMES)
def test_configs_train(name):
    trains(f'nafnet_{name}.yaml')
