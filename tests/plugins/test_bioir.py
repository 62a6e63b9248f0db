"""BioIR: counts and cost as published, files with its released keys, the answer by the book."""

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.registry import BLOCKS
from irbox.testing import check_block
from support.literal import conv, in_float64, layer_norm
from support.peers import build, keeps_its_promises, loads_whole, parameters, plugin, trains

PLUGIN = plugin('bioir.py')
SMALL = {'dim': 6, 'depths': [1, 2, 1], 'refinement': 1}
OFFICIAL = {'unused_weights': True}


def block_shapes(name, c):
    for norm in ('norm1', 'norm2'):
        yield from ((f'{name}.{norm}.body.{kind}', (c,)) for kind in ('weight', 'bias'))
    attn = f'{name}.attn'
    yield f'{attn}.conv.weight', (2 * c, c, 1, 1)
    yield f'{attn}.dw.weight', (2 * c, 1, 3, 3)
    for layer, shape in (
        ('l2h.conv', (9, 256, 1, 1)),
        ('h2l.dw', (c, 1, 7, 7)),
        ('h2l.cv2', (25, c, 1, 1)),
    ):
        yield f'{attn}.{layer}.weight', shape
        yield f'{attn}.{layer}.bias', shape[:1]
    yield f'{attn}.project_out.weight', (c, c, 1, 1)
    yield f'{name}.ffn.project_in.weight', (6 * c, c, 1, 1)
    yield f'{name}.ffn.dwconv.weight', (6 * c, 1, 3, 3)
    yield f'{name}.ffn.project_out.weight', (c, 3 * c, 1, 1)


def published_shapes(d, depths, refinement):
    """Section 4: keys and shapes, the layer that is never called included."""
    shapes = {'patch_embed.proj.weight': (d, 3, 3, 3), 'output.weight': (3, d, 3, 3)}
    for level, depth in enumerate(depths):
        for i in range(depth):
            for way in ('encoder', 'decoder'):
                shapes |= dict(block_shapes(f'{way}_level{level + 1}.{i}', d * 2**level))
    for i in range(refinement):
        shapes |= dict(block_shapes(f'refinement.{i}', d))
    for name, c, out in (
        ('down1_2', d, 2 * d),
        ('down2_3', 2 * d, 4 * d),
        ('up3_2', 4 * d, 2 * d),
        ('up2_1', 2 * d, d),
    ):
        shapes[f'{name}.body.1.weight'] = (out, c, 3, 3)
    for name, c in (('fuse1', d), ('fuse2', 2 * d)):
        shapes |= {f'{name}.conv.weight': (c, 2 * c, 1, 1), f'{name}.conv.bias': (c,)}
    return shapes | {'reduce_chan_level2.weight': (2 * d, 4 * d, 1, 1)}


@pytest.mark.parametrize(
    ('name', 'layout', 'count', 'keys', 'gmacs', 'blocks'),
    [
        ('bioir', (48, (6, 6, 14), 4), 15_847_328, 907, 125.49, (37_234, 127_426, 473_698)),
        ('bioir_base', (48, (3, 3, 6), 4), 7_280_200, 459, 67.50, (37_234, 127_426, 473_698)),
        ('bioir_small', (32, (1, 1, 2), 4), 1_316_728, 203, 16.53, (19_458, 61_154, 218_274)),
    ],
)
def test_parameters_keys_and_cost(name, layout, count, keys, gmacs, blocks):
    network = build(f'{name}.yaml', OFFICIAL, device='meta').eval()
    assert parameters(network) == count
    assert tuple(parameters(level[0]) for level in network.encoders) == blocks
    shapes = published_shapes(*layout)
    assert len(shapes) == keys
    assert {PLUGIN._name(key) for key in network.state_dict()} == shapes.keys()
    plain = build(f'{name}.yaml', device='meta')
    assert count - parameters(plain) == 8 * layout[0] ** 2
    # The published count leaves out biases and what is one operation per element.
    assert count_macs(network, 256, 256).total() / 1e9 == pytest.approx(gmacs, rel=0.01)


def test_parameters_of_the_official_config():
    assert parameters(build('bioir_official.yaml', device='meta')) == 15_847_328


def test_promises():
    # Products of features without norms between make the most of what is rounded.
    network = build('bioir.yaml', SMALL)
    assert keeps_its_promises(network, close=1e-4) == (set(), set())


def test_block_keeps_its_contract():
    check_block(BLOCKS.get('BioIRBlock'))


def literal_sum(kernels, m):
    """Each neighbour times its weight, one after the other."""
    side = round(kernels.shape[1] ** 0.5)
    height, width = m.shape[-2:]
    padded = F.pad(m, (side // 2,) * 4, mode='reflect')
    total = torch.zeros_like(m)
    for j in range(side**2):
        row, column = divmod(j, side)
        total += kernels[:, j : j + 1] * padded[..., row : row + height, column : column + width]
    return total


def literal_block(file, name, x):
    attn, c = f'{name}.attn', x.shape[1]
    n = conv(file, f'{attn}.conv', layer_norm(file, f'{name}.norm1.body', x))
    n = conv(file, f'{attn}.dw', n, groups=2 * c)
    p, f = n[:, :c], n[:, c:]
    regions = F.adaptive_avg_pool2d(p, 16).flatten(2)
    affinity = torch.stack([(f * regions[:, :, s, None, None]).sum(1) for s in range(256)], 1)
    k = conv(file, f'{attn}.l2h.conv', affinity)
    d = literal_sum(k, f.mean(1, keepdim=True))
    e = conv(file, f'{attn}.h2l.dw', f, groups=c)
    lit = p * (e + 1)
    fine = lit + literal_sum(conv(file, f'{attn}.h2l.cv2', e), lit.mean(1, keepdim=True))
    x = x + conv(file, f'{attn}.project_out', fine * (f * (1 + d)))
    wide = conv(file, f'{name}.ffn.project_in', layer_norm(file, f'{name}.norm2.body', x))
    first, second = conv(file, f'{name}.ffn.dwconv', wide, groups=6 * c).chunk(2, 1)
    return x + conv(file, f'{name}.ffn.project_out', F.gelu(first) * second)


def literal(file, image, depths, refinement):
    """Section 4 on the published keys."""

    def chain(name, x, depth):
        for i in range(depth):
            x = literal_block(file, f'{name}.{i}', x)
        return x

    def down(name, x):
        return conv(file, f'{name}.body.1', F.avg_pool2d(x, 2))

    def up(name, x):
        size = [2 * side for side in x.shape[-2:]]
        larger = F.interpolate(x, size, mode='bilinear', align_corners=False)
        return conv(file, f'{name}.body.1', larger)

    one = chain('encoder_level1', conv(file, 'patch_embed.proj', image), depths[0])
    two = chain('encoder_level2', down('down1_2', one), depths[1])
    x = chain('encoder_level3', down('down2_3', two), depths[2])
    x = chain('decoder_level3', x, depths[2])
    x = conv(file, 'fuse2.conv', torch.cat([up('up3_2', x), two], 1))
    x = chain('decoder_level2', x, depths[1])
    x = conv(file, 'fuse1.conv', torch.cat([up('up2_1', x), one], 1))
    x = chain('refinement', chain('decoder_level1', x, depths[0]), refinement)
    return conv(file, 'output', x) + image


# Below 16 pixels a side at the lowest level, regions repeat pixels.
@pytest.mark.parametrize('size', [(24, 32), (72, 68)])
def test_the_answer_is_the_papers(size):
    torch.manual_seed(0)
    network = build('bioir.yaml', SMALL | OFFICIAL).eval()
    file, _ = loads_whole(network, PLUGIN.convert, published_shapes(6, SMALL['depths'], 1))
    network, file = in_float64(network, file)
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    wanted = literal(file, image, SMALL['depths'], 1)
    with torch.no_grad():
        found = network(image)
    torch.testing.assert_close(found, wanted, atol=1e-9 * wanted.std().item(), rtol=1e-9)


def test_the_layer_that_is_never_called_is_left_out():
    network = build('bioir.yaml', SMALL)
    shapes = published_shapes(6, SMALL['depths'], 1)
    own = PLUGIN.convert({name: torch.randn(shape) for name, shape in shapes.items()}, network)
    network.load_state_dict(own, strict=True)
    assert len(own) == len(shapes) - 1


NAMES = ('bioir', 'bioir_official', 'bioir_base', 'bioir_small', 'bioir_demo')


@pytest.mark.parametrize('name', NAMES)
def test_configs_train(name):
    trains(f'{name}.yaml')
