"""BaryIR: counts and cost as published, files with its released keys, the answer by the book."""

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.structures import Context
from support.literal import conv, in_float64, layer_norm
from support.peers import (
    build,
    keeps_its_promises,
    loads_whole,
    parameters,
    plugin,
    restormer_shapes,
    trains,
    transformer_block,
)

PLUGIN = plugin('baryir.py')
UNUSED = 215_296
SMALL = {
    'dim': 8,
    'depths': [1, 2, 1, 1],
    'common_depth': 2,
    'rest_depth': 1,
    'refinement': 1,
}


def published_shapes(d=48, depths=(4, 6, 6, 8), refinement=4, common=8, rest=6):
    """Section 6: keys and shapes, without the six layers that are never called."""
    shapes = dict(restormer_shapes(d, depths, (1, 2, 4, 8), refinement))
    shapes |= {f'LN.body.{kind}': (8 * d,) for kind in ('weight', 'bias')}
    for i in range(common):
        shapes |= dict(transformer_block(f'barylatent.{i}', 8 * d, 8))
    for i in range(rest):
        shapes |= dict(transformer_block(f'resdecoder_level3.{i}', 4 * d, 4))
        shapes |= dict(transformer_block(f'resdecoder_level2.{i}', 2 * d, 2))
    for level, width in ((3, 16 * d), (2, 4 * d), (1, 2 * d)):
        shapes |= dict(transformer_block(f'noise_level{level}', width, 4))
    shapes |= {
        'up4_3.body.0.weight': (8 * d, 4 * d, 3, 3),
        'reduce_chan_level3.weight': (4 * d, 6 * d, 1, 1),
        'reduce_noise_level3.weight': (4 * d, 16 * d, 1, 1),
        'reduce_noise_level2.weight': (4 * d, 4 * d, 1, 1),
        'reduce_noise_level1.weight': (2 * d, 2 * d, 1, 1),
        'resreduce_noise_level3.weight': (8 * d, 8 * d, 1, 1),
        'resreduce_noise_level2.weight': (4 * d, 4 * d, 1, 1),
        'resreduce_noise_level1.weight': (2 * d, 2 * d, 1, 1),
        'resreduce_chan_level3.weight': (4 * d, 4 * d, 1, 1),
        'resreduce_chan_level2.weight': (2 * d, 2 * d, 1, 1),
        'resup4_3.body.0.weight': (16 * d, 8 * d, 3, 3),
        'resup3_2.body.0.weight': (8 * d, 4 * d, 3, 3),
        'resup2_1.body.0.weight': (4 * d, 2 * d, 3, 3),
    }
    return shapes


IDLE = {
    'chnl_reduce1.weight': (64, 64, 1, 1),
    'chnl_reduce2.weight': (128, 128, 1, 1),
    'chnl_reduce3.weight': (256, 320, 1, 1),
    'reduce_noise_channel_1.weight': (48, 112, 1, 1),
    'reduce_noise_channel_2.weight': (96, 224, 1, 1),
    'reduce_noise_channel_3.weight': (192, 448, 1, 1),
}


def test_parameters_keys_and_cost():
    network = build('baryir_official.yaml', device='meta').eval()
    assert parameters(network) == 53_765_070
    plain = build('baryir.yaml', device='meta').eval()
    assert parameters(plain) == 53_765_070 - UNUSED
    assert sum(torch.Size(shape).numel() for shape in IDLE.values()) == UNUSED
    shapes = published_shapes()
    assert len(shapes) + len(IDLE) == 766
    assert {PLUGIN._name(key) for key in plain.state_dict()} == shapes.keys()
    # The published count leaves out what is one operation per element.
    assert count_macs(plain, 256, 256).total() / 1e9 == pytest.approx(196.77, rel=0.005)


def test_promises():
    assert keeps_its_promises(build('baryir.yaml', SMALL)) == (set(), set())


def literal_block(file, name, x):
    n = conv(file, f'{name}.attn.qkv', layer_norm(file, f'{name}.norm1.body', x))
    q, k, v = conv(file, f'{name}.attn.qkv_dwconv', n, groups=n.shape[1]).chunk(3, 1)
    temperature = file[f'{name}.attn.temperature']
    q, k, v = (one.unflatten(1, (len(temperature), -1)).flatten(3) for one in (q, k, v))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    out = ((q @ k.mT * temperature).softmax(-1) @ v).flatten(1, 2).view_as(x)
    x = x + conv(file, f'{name}.attn.project_out', out)
    wide = conv(file, f'{name}.ffn.project_in', layer_norm(file, f'{name}.norm2.body', x))
    first, second = conv(file, f'{name}.ffn.dwconv', wide, groups=wide.shape[1]).chunk(2, 1)
    return x + conv(file, f'{name}.ffn.project_out', F.gelu(first) * second)


def literal(file, image, depths, common, rest, refinement):
    """Section 6 on the published keys; also z, b and r."""

    def chain(name, x, depth):
        for i in range(depth):
            x = literal_block(file, f'{name}.{i}', x)
        return x

    def up(name, x):
        return F.pixel_shuffle(conv(file, f'{name}.body.0', x), 2)

    skips, x = [], conv(file, 'patch_embed.proj', image)
    for level, down in enumerate(('down1_2', 'down2_3', 'down3_4')):
        skips.append(chain(f'encoder_level{level + 1}', x, depths[level]))
        x = F.pixel_unshuffle(conv(file, f'{down}.body.0', skips[-1]), 2)
    z = layer_norm(file, 'LN.body', chain('latent', x, depths[3]))
    b = layer_norm(file, 'LN.body', chain('barylatent', z, common))
    r = z - b
    mixed = literal_block(file, 'noise_level3', torch.cat([b, r], 1))
    x = up('up4_3', conv(file, 'reduce_noise_level3', mixed))
    r3 = up('resup4_3', conv(file, 'resreduce_noise_level3', r))
    x = conv(file, 'reduce_chan_level3', torch.cat([x, skips[2] + 0.8 * r3], 1))
    x = chain('decoder_level3', x, depths[2])
    r3 = chain('resdecoder_level3', conv(file, 'resreduce_chan_level3', r3), rest)
    x = up('up3_2', conv(file, 'reduce_noise_level2', literal_block(file, 'noise_level2', x)))
    r2 = up('resup3_2', conv(file, 'resreduce_noise_level2', r3))
    x = conv(file, 'reduce_chan_level2', torch.cat([x, skips[1] + 0.8 * r2], 1))
    x = chain('decoder_level2', x, depths[1])
    r2 = chain('resdecoder_level2', conv(file, 'resreduce_chan_level2', r2), rest)
    x = up('up2_1', conv(file, 'reduce_noise_level1', literal_block(file, 'noise_level1', x)))
    r1 = up('resup2_1', conv(file, 'resreduce_noise_level1', r2))
    x = chain('decoder_level1', torch.cat([x, skips[0] + 0.8 * r1], 1), depths[0])
    return conv(file, 'output', chain('refinement', x, refinement)) + image, z, b, r


def test_the_answer_is_the_papers():
    torch.manual_seed(0)
    network = build('baryir.yaml', SMALL).eval()
    shapes = published_shapes(8, SMALL['depths'], 1, 2, 1)
    file, _ = loads_whole(network, PLUGIN.convert, shapes)
    network, file = in_float64(network, file)
    image = torch.rand(2, 3, 24, 32, dtype=torch.float64)
    wanted, *parts = literal(file, image, SMALL['depths'], 2, 1, 1)
    context = Context(image, records=[])
    with torch.no_grad():
        found = network(image, context)
    torch.testing.assert_close(found, wanted, atol=1e-8 * wanted.std().item(), rtol=1e-8)
    (split,) = (one for one in context.records if isinstance(one, PLUGIN.Decomposition))
    for one, theirs in zip((split.features, split.common, split.rest), parts, strict=True):
        torch.testing.assert_close(one, theirs, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize('name', ['baryir.yaml', 'baryir_official.yaml'])
def test_layers_that_are_never_called(name):
    network = build(name, SMALL)
    shapes = published_shapes(8, SMALL['depths'], 1, 2, 1) | IDLE
    file = {key: torch.randn(shape) for key, shape in shapes.items()}
    own = PLUGIN.convert(file, network)
    network.load_state_dict(own, strict=True)
    count = sum(tensor.numel() for tensor in own.values())
    whole = sum(tensor.numel() for tensor in file.values())
    assert count == (whole if 'official' in name else whole - UNUSED)


def test_another_number_of_levels_is_refused():
    with pytest.raises(ValueError, match='four levels'):
        build('baryir.yaml', {'depths': [1, 1, 1], 'heads': [1, 2, 4]}, device='meta')


@pytest.mark.parametrize('name', ['baryir', 'baryir_official', 'baryir_demo'])
def test_configs_train(name):
    trains(f'{name}.yaml')
