"""MODEM: counts and cost as published, files with its released keys, the answer by the book."""

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.testing import check_block
from support.literal import conv, in_float64, layer_norm
from support.peers import (
    build,
    keeps_its_promises,
    loads_whole,
    parameters,
    plugin,
    stirred,
    trains,
)

PLUGIN = plugin('modem')
NAME = PLUGIN.convert.__globals__['_name']
E_DIM = 6
SMALL = {
    'dim': 6,
    'depths': [2, 1, 1, 2],
    'refinement': 1,
    'prompt': {'type': 'DegradationEncoder', 'dim': E_DIM, 'hidden': 10},
}


def block_shapes(name, c, told):
    inner, r = 2 * c, -(-c // 16)
    for norm in ('ln_1', 'ln_2'):
        yield from ((f'{name}.{norm}.{kind}', (c,)) for kind in ('weight', 'bias'))
    yield from ((f'{name}.{skip}', (c,)) for skip in ('skip_scale', 'skip_scale2'))
    third, few = max(1, c // 3), max(1, c // 30)
    for layer, shape in (
        ('0', (third, c, 3, 3)),
        ('2', (c, third, 3, 3)),
        ('3.attention.1', (few, c, 1, 1)),
        ('3.attention.3', (c, few, 1, 1)),
    ):
        yield f'{name}.conv_blk.cab.{layer}.weight', shape
        yield f'{name}.conv_blk.cab.{layer}.bias', shape[:1]
    scan = f'{name}.modem_ss2d'
    yield f'{scan}.in_proj.weight', (2 * inner, c)
    yield f'{scan}.conv2d.weight', (inner, 1, 3, 3)
    yield f'{scan}.conv2d.bias', (inner,)
    yield f'{scan}.dt_projs_weight', (1, inner, r)
    yield f'{scan}.dt_projs_bias', (1, inner)
    yield f'{scan}.A_logs', (inner, 16)
    yield f'{scan}.Ds', (inner,)
    yield from ((f'{scan}.out_norm.{kind}', (inner,)) for kind in ('weight', 'bias'))
    yield f'{scan}.out_proj.weight', (c, inner)
    if told:
        for layer in ('deg_scale', 'deg_bias', 'kernel1'):
            yield f'{scan}.{layer}.0.weight', (inner, told)
        yield f'{scan}.kernel2.0.weight', (r + 32, told)
    else:
        yield f'{scan}.x_proj_weight', (1, r + 32, inner)


def published_shapes(d=36, depths=(4, 4, 6, 8), refinement=4, told=96, hidden=384):
    """Section 3: keys and shapes."""
    shapes = {}

    def layer(name, *shape, bias=True):
        shapes[f'{name}.weight'] = shape
        if bias:
            shapes[f'{name}.bias'] = shape[:1]

    layer('E.conv_first', told, 3, 3, 3)
    layer('E.conv_after_body', told, told, 3, 3)
    layer('E.mlp.0', hidden, told)
    layer('E.mlp.2', hidden, hidden)
    layer('E.compress.0', told, hidden)
    for name in ('kernel1', 'kernel2'):
        layer(f'E.{name}.0', told, told, 3, 3, bias=False)
    for i in range(2):
        shapes |= dict(block_shapes(f'E.layers.{i}', told, 0))
    layer('G.conv_first', d, 3, 3, 3)
    layer('G.conv_last', 3, 2 * d, 3, 3)
    widths = {
        'down_layer1': (d, depths[0]),
        'down_layer2': (2 * d, depths[1]),
        'down_layer3': (4 * d, depths[2]),
        'latent': (8 * d, depths[3]),
        'up_layer3': (4 * d, depths[2]),
        'up_layer2': (2 * d, depths[1]),
        'up_layer1': (2 * d, depths[0]),
        'refinement': (2 * d, refinement),
    }
    for name, (c, depth) in widths.items():
        layer(f'G.{name}.conv', c, c, 3, 3)
        for i in range(depth):
            shapes |= dict(block_shapes(f'G.{name}.residual_group.blocks.{i}', c, told))
    for name, c, out in (
        ('downsample1_2', d, d // 2),
        ('downsample2_3', 2 * d, d),
        ('downsample3_4', 4 * d, 2 * d),
        ('upsample4_3', 8 * d, 16 * d),
        ('upsample3_2', 4 * d, 8 * d),
        ('upsample2_1', 2 * d, 4 * d),
    ):
        layer(f'G.{name}.body.0', out, c, 3, 3, bias=False)
    layer('G.reduce3', 4 * d, 8 * d, 1, 1)
    layer('G.reduce2', 2 * d, 4 * d, 1, 1)
    return shapes


def test_parameters_keys_and_cost():
    network = build('modem.yaml', device='meta').eval()
    assert parameters(network) == 19_963_825
    levels = [*network.encoders, network.bottleneck, *network.decoders, network.refinement]
    wide = [2_282_568, 499_376, 499_376, 499_376]
    assert list(map(parameters, levels)) == [181_288, 499_376, 2_282_568, 10_356_840, *wide]
    told = network.prompt
    assert parameters(told) == 726_022 and parameters(told.body.blocks) == 252_358
    assert parameters(told.mlp) == 185_088 and parameters(told.to_vector) == 36_960
    shapes = published_shapes()
    assert len(shapes) == 1212
    assert {NAME(key) for key in network.state_dict()} == shapes.keys()
    # The published count leaves out biases and what is one operation per element.
    assert count_macs(network, 256, 256).total() / 1e9 == pytest.approx(114.73, rel=0.005)


def test_scans_are_left_out_more_often_the_deeper_they_are():
    network = build('modem.yaml', device='meta')
    levels = [*network.encoders, network.bottleneck, *network.decoders]
    shares = [block.drop_path.p for level in levels for block in level.blocks]
    assert len(shares) == 36 and shares == sorted(shares)
    assert (shares[0], round(shares[-1], 6)) == (0, 0.1)
    rest = [*network.refinement.blocks, *network.prompt.body.blocks]
    assert {block.drop_path.p for block in rest} == {0}


def test_every_other_block_exchanges_rows_and_columns():
    network = build('modem.yaml', device='meta')
    turned = [block.scan.transposed for block in network.bottleneck.blocks]
    assert turned == [False, True] * 4


def test_how_it_begins():
    block = build('modem.yaml', SMALL).encoders[0].blocks[0]
    for layer in (block.scan.in_proj, block.scan.scale, block.scan.of_coefficients):
        assert 0.01 < layer.weight.std() < 0.03
    scan, told = block.scan, torch.randn(1, E_DIM + E_DIM**2)
    _, projection = scan._told(told)
    torch.testing.assert_close(
        projection, torch.full_like(projection, 1 / projection.shape[-1]), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(scan.A_log[0].exp(), torch.arange(1.0, 17.0))


def test_promises():
    network = build('modem.yaml', SMALL | {'drop_path': 0.0})
    # What is summed over pixels and then goes through a softmax shows how sums were rounded.
    without, zero = keeps_its_promises(network, close=2e-3)
    assert without == set()
    # The gates of so narrow a network have a single unit, which may be dead.
    assert all('conv.gate.' in name for name in zero), zero


def test_block_keeps_its_contract():
    check_block(BLOCKS.get('MODEMBlock'), stage=Stage(240, 1, prompt_dim=4 + 16))


def test_a_prompt_of_another_kind_is_refused():
    with pytest.raises(ValueError, match='prompt has 7 numbers'):
        BLOCKS.build({'type': 'MODEMBlock'}, stage=Stage(8, 1, prompt_dim=7))
    block = BLOCKS.build({'type': 'MODEMBlock'}, stage=Stage(8, 1, prompt_dim=6))
    x = torch.rand(1, 8, 4, 4)
    with pytest.raises(ValueError, match='is told none'):
        block(x, Context(x))


def morton(height, width, exchanged):
    def code(row, column):
        row, column = (column, row) if exchanged else (row, column)
        bits = (((column >> b) & 1) << 2 * b | ((row >> b) & 1) << 2 * b + 1 for b in range(8))
        return sum(bits)

    pixels = [(i, j) for i in range(height) for j in range(width)]
    return [i * width + j for i, j in sorted(pixels, key=lambda pixel: code(*pixel))]


def literal_scan(file, name, x, number, z0, z1):
    """Steps 1 to 6, one image at a time, one pixel after the other."""
    n = 16
    wide = torch.einsum('oc,bchw->bohw', file[f'{name}.in_proj.weight'], x)
    u, z = wide.chunk(2, 1)
    u = F.silu(conv(file, f'{name}.conv2d', u, groups=u.shape[1]))
    order = morton(*x.shape[-2:], exchanged=number % 2 == 1)
    rank = file[f'{name}.dt_projs_weight'].shape[-1]
    rates = -file[f'{name}.A_logs'].exp()
    answers = []
    for i, one in enumerate(u):
        if z0 is None:
            coefficients = file[f'{name}.x_proj_weight'][0]
        else:
            scale = file[f'{name}.deg_scale.0.weight'] @ z0[i]
            shift = file[f'{name}.deg_bias.0.weight'] @ z0[i]
            one = one * scale[:, None, None] + shift[:, None, None]
            k1, k2 = file[f'{name}.kernel1.0.weight'], file[f'{name}.kernel2.0.weight']
            v = torch.einsum('oi,ij,dj->od', k2, z1[i], k1)
            coefficients = (v / len(one) ** 0.5).softmax(1)
        pixels = one.flatten(1)
        out, state = torch.empty_like(pixels), torch.zeros(len(pixels), n).double()
        for place in order:
            value = pixels[:, place]
            delta, write, read = (coefficients @ value).split([rank, n, n])
            step = F.softplus(
                file[f'{name}.dt_projs_weight'][0] @ delta + file[f'{name}.dt_projs_bias'][0]
            )
            state = (step[:, None] * rates).exp() * state + (step * value)[:, None] * write
            out[:, place] = state @ read + file[f'{name}.Ds'] * value
        answers.append(out.view_as(one))
    y = layer_norm(file, f'{name}.out_norm', torch.stack(answers)) * F.silu(z)
    return torch.einsum('oc,bchw->bohw', file[f'{name}.out_proj.weight'], y)


def literal_block(file, name, x, number, z0=None, z1=None):
    found = literal_scan(
        file, f'{name}.modem_ss2d', layer_norm(file, f'{name}.ln_1', x), number, z0, z1
    )
    x = x * file[f'{name}.skip_scale'][:, None, None] + found
    cab = f'{name}.conv_blk.cab'
    k = F.gelu(conv(file, f'{cab}.0', layer_norm(file, f'{name}.ln_2', x)))
    k = conv(file, f'{cab}.2', k)
    gate = conv(file, f'{cab}.3.attention.1', k.mean((2, 3), keepdim=True)).relu()
    k = k * conv(file, f'{cab}.3.attention.3', gate).sigmoid()
    return x * file[f'{name}.skip_scale2'][:, None, None] + k


def literal(file, image, depths, refinement):
    """Section 3 on the published keys."""
    stem = conv(file, 'E.conv_first', image)
    x = stem
    for i in range(2):
        x = literal_block(file, f'E.layers.{i}', x, i)
    f = conv(file, 'E.conv_after_body', x) + stem

    def linear(name, x):
        return F.silu(x @ file[f'{name}.weight'].T + file[f'{name}.bias'])

    z0 = linear('E.compress.0', linear('E.mlp.2', linear('E.mlp.0', f.mean((2, 3)))))
    f1, f2 = (conv(file, f'E.{name}.0', f) for name in ('kernel1', 'kernel2'))
    z1 = torch.einsum('bihw,bjhw->bij', f2, f1)

    def group(name, x, depth):
        y = x
        for i in range(depth):
            y = literal_block(file, f'G.{name}.residual_group.blocks.{i}', y, i, z0, z1)
        return x + conv(file, f'G.{name}.conv', y)

    def up(name, x):
        return F.pixel_shuffle(conv(file, f'G.{name}.body.0', x), 2)

    skips, x = [], conv(file, 'G.conv_first', image)
    for level, down in enumerate(('downsample1_2', 'downsample2_3', 'downsample3_4')):
        skips.append(group(f'down_layer{level + 1}', x, depths[level]))
        x = F.pixel_unshuffle(conv(file, f'G.{down}.body.0', skips[-1]), 2)
    x = group('latent', x, depths[3])
    x = conv(file, 'G.reduce3', torch.cat([up('upsample4_3', x), skips[2]], 1))
    x = group('up_layer3', x, depths[2])
    x = conv(file, 'G.reduce2', torch.cat([up('upsample3_2', x), skips[1]], 1))
    x = group('up_layer2', x, depths[1])
    x = group('up_layer1', torch.cat([up('upsample2_1', x), skips[0]], 1), depths[0])
    return conv(file, 'G.conv_last', group('refinement', x, refinement)) + image


@pytest.fixture(scope='module')
def converted():
    torch.manual_seed(0)
    network = build('modem.yaml', SMALL).eval()
    shapes = published_shapes(6, SMALL['depths'], 1, E_DIM, 10)
    file, _ = loads_whole(network, PLUGIN.convert, shapes)
    return in_float64(network, file)


def test_the_answer_is_the_papers(converted):
    network, file = converted
    image = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    wanted = literal(file, image, SMALL['depths'], 1)
    with torch.no_grad():
        found = network(image)
    # The scan is float32 inside.
    torch.testing.assert_close(found, wanted, atol=1e-4 * wanted.std().item(), rtol=1e-4)


def test_what_is_seen_is_of_the_padded_image(converted):
    network, file = converted
    image = torch.rand(1, 3, 13, 22, dtype=torch.float64)
    padded = F.pad(image, (0, 2, 0, 3), mode='reflect')
    wanted = literal(file, padded, SMALL['depths'], 1)[..., :13, :22]
    with torch.no_grad():
        found = network(image)
    torch.testing.assert_close(found, wanted, atol=1e-4 * wanted.std().item(), rtol=1e-4)


def test_the_order_is_an_option():
    orders = [
        build('modem.yaml', SMALL | {'encoder': {'block': {'type': 'MODEMBlock', 'order': order}}})
        for order in ('morton', 'raster')
    ]
    orders[1].load_state_dict(stirred(orders[0]).state_dict(), strict=True)
    image = torch.rand(1, 3, 16, 16)
    one, other = (network.eval()(image) for network in orders)
    assert not torch.equal(one, other)


@pytest.mark.parametrize('name', ['modem', 'modem_demo'])
def test_configs_train(name):
    trains(f'{name}.yaml')
