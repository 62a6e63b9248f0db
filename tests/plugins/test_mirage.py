"""MIRAGE: counts and cost as published, files with its released keys, the answer by the book."""

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.registry import LOSSES
from irbox.structures import Context
from support.literal import in_float64
from support.peers import build, keeps_its_promises, loads_whole, parameters, plugin, trains

PLUGIN = plugin('mirage')
NAME = PLUGIN.convert.__globals__['_name']
S = (30, (3, 5, 5, 7), 3)
T = (24, (3, 5, 5, 7), 2)
HEADS = (1, 2, 4, 8)
SMALL = {'dim': 6, 'depths': [1, 2, 1, 1], 'refinement': 1}


def block_shapes(name, dim, heads):
    c, u = dim // 3, 8 * (dim // 3) // 3
    for norm in ('norm1', 'norm2'):
        yield from ((f'{name}.{norm}.body.{kind}', (dim,)) for kind in ('weight', 'bias'))
    attn = f'{name}.attn'
    yield f'{attn}.temperature', (heads, 1, 1)
    yield from ((f'{attn}.alpha_{part}', (1,)) for part in ('att', 'gated', 'mlp'))
    yield f'{attn}.qkv.weight', (3 * c, c, 1, 1)
    yield f'{attn}.qkv_dwconv.weight', (3 * c, 1, 3, 3)
    yield f'{attn}.gatedcnn.temperature', (1,)
    norm = f'{attn}.gatedcnn.norm'
    kinds = ('weight', 'bias', 'running_mean', 'running_var')
    yield from ((f'{norm}.{kind}', (c,)) for kind in kinds)
    yield f'{norm}.num_batches_tracked', ()
    yield f'{attn}.gatedcnn.gic1.weight', (2 * u, c, 1, 1)
    yield f'{attn}.gatedcnn.kernel_generator.1.weight', (c, c, 1, 1)
    yield f'{attn}.gatedcnn.kernel_generator.3.weight', (49 * c, c, 1, 1)
    yield f'{attn}.gatedcnn.gic2.weight', (c, u, 1, 1)
    yield f'{attn}.gatedcnn.proj_out.weight', (c, c, 1, 1)
    yield f'{attn}.mlp.0.weight', (2 * c, c, 1)
    yield f'{attn}.mlp.2.weight', (c, 2 * c, 1)
    yield f'{attn}.project_out.weight', (dim, dim, 1, 1)
    yield f'{name}.ffn.project_in.weight', (4 * dim, dim, 1, 1)
    yield f'{name}.ffn.dwconv.weight', (4 * dim, 1, 3, 3)
    yield f'{name}.ffn.project_out.weight', (dim, 2 * dim, 1, 1)


def published_shapes(d, depths, refinement):
    """Section 5: keys and shapes."""
    shapes = {'patch_embed.proj.weight': (d, 3, 3, 3), 'output.weight': (3, 2 * d, 3, 3)}
    for level in range(3):
        width = d * 2**level
        for i in range(depths[level]):
            shapes |= dict(block_shapes(f'encoder_level{level + 1}.{i}', width, HEADS[level]))
            wide = 2 * d if level == 0 else width
            shapes |= dict(block_shapes(f'decoder_level{level + 1}.{i}', wide, HEADS[level]))
    for i in range(depths[3]):
        shapes |= dict(block_shapes(f'latent.{i}', 8 * d, 8))
    for i in range(refinement):
        shapes |= dict(block_shapes(f'refinement.{i}', 2 * d, 1))
    for name, dim, out in (
        ('down1_2', d, d // 2),
        ('down2_3', 2 * d, d),
        ('down3_4', 4 * d, 2 * d),
        ('up4_3', 4 * d, 8 * d),
        ('up3_2', 4 * d, 8 * d),
        ('up2_1', 2 * d, 4 * d),
    ):
        shapes[f'{name}.body.0.weight'] = (out, dim, 3, 3)
    shapes['reduce_dim_level3.weight'] = (4 * d, 8 * d, 1, 1)
    shapes['reduce_chan_level3.weight'] = (4 * d, 6 * d, 1, 1)
    shapes['reduce_chan_level2.weight'] = (2 * d, 4 * d, 1, 1)
    for name, shape in (
        ('reduce_shallow', (12, d, 1, 1)),
        ('reduce_latent', (24, 4 * d, 1, 1)),
        ('spd_proj_shallow', (64, 144)),
        ('spd_proj_latent', (64, 576)),
    ):
        shapes |= {f'{name}.weight': shape, f'{name}.bias': shape[:1]}
    return shapes


@pytest.mark.parametrize(
    ('name', 'layout', 'count', 'buffers', 'keys', 'gmacs', 'parts', 'refined', 'head'),
    [
        (
            'mirage.yaml',
            S,
            9_678_983,
            2_656,
            991,
            33.62,
            (43_125, 272_830, 1_061_440, 5_862_164, 1_061_440, 272_830, 163_695),
            163_695,
            49_484,
        ),
        (
            'mirage_t.yaml',
            T,
            6_207_412,
            2_099,
            964,
            20.40,
            (28_335, 176_910, 684_200, 3_764_628, 684_200, 176_910, 106_143),
            70_762,
            48_836,
        ),
    ],
)
def test_parameters_keys_and_cost(name, layout, count, buffers, keys, gmacs, parts, refined, head):
    network = build(name, device='meta').eval()
    assert parameters(network) == count
    assert sum(buffer.numel() for buffer in network.buffers()) == buffers
    levels = [*network.encoders, network.bottleneck, *network.decoders]
    assert tuple(map(parameters, levels)) == parts
    assert parameters(network.refinement) == refined and parameters(network.head) == head
    shapes = published_shapes(*layout)
    assert len(shapes) == keys
    own = {NAME(key) for key in network.state_dict()}
    assert own == shapes.keys()
    # The published count leaves out what is one operation per element.
    assert count_macs(network, 256, 256).total() / 1e9 == pytest.approx(gmacs, rel=0.015)


def still(network):
    """Without a draw in training."""
    for module in network.modules():
        if type(module).__name__ == 'StochasticDepth':
            module.p = 0.0
    return network


def test_promises():
    network = still(build('mirage.yaml', SMALL))
    without, zero = keeps_its_promises(network)
    assert without == {n for n, _ in network.named_parameters() if n.startswith('head.')}
    assert zero == set()


def test_widths_that_three_does_not_divide_are_refused():
    with pytest.raises(ValueError, match='multiple of 3'):
        build('mirage.yaml', SMALL | {'dim': 8}, device='meta')


def depthwise(x, weight):
    return F.conv2d(x, weight, padding=1, groups=x.shape[1])


def literal_norm(file, name, x):
    x = x - x.mean(1, keepdim=True)
    x = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    scale, shift = (file[f'{name}.body.{kind}'][:, None, None] for kind in ('weight', 'bias'))
    return x * scale + shift


def literal_attention(file, name, x):
    q, k, v = depthwise(
        F.conv2d(x, file[f'{name}.qkv.weight']), file[f'{name}.qkv_dwconv.weight']
    ).chunk(3, 1)
    temperature = file[f'{name}.temperature']
    q, k, v = (one.unflatten(1, (len(temperature), -1)).flatten(3) for one in (q, k, v))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    return ((q @ k.mT * temperature).softmax(-1) @ v).flatten(1, 2).view_as(x)


def literal_gated(file, name, s):
    def one(layer, x):
        return F.conv2d(x, file[f'{name}.{layer}.weight'])

    mean, var, scale, shift = (
        file[f'{name}.norm.{kind}'][:, None, None]
        for kind in ('running_mean', 'running_var', 'weight', 'bias')
    )
    y = one('gic1', (s - mean) / (var + 1e-5).sqrt() * scale + shift)
    c, u = s.shape[1], y.shape[1] // 2
    gate, plain, moved = y[:, :u], y[:, u : 2 * u - c], y[:, 2 * u - c :]
    hidden = F.gelu(one('kernel_generator.1', moved.mean((2, 3), keepdim=True)))
    kernels = one('kernel_generator.3', hidden).view(len(s), c, 7, 7)
    windows = F.unfold(moved, 7, padding=3).unflatten(1, (c, 49))
    moved = torch.einsum('bckp,bck->bcp', windows, kernels.flatten(2)).view_as(moved)
    gate = F.gelu(gate / file[f'{name}.temperature'])
    return one('proj_out', one('gic2', gate * torch.cat([plain, moved], 1)) + s)


def literal_block(file, name, x):
    attn = f'{name}.attn'
    c = x.shape[1] // 3
    n = literal_norm(file, f'{name}.norm1', x)
    a = literal_attention(file, attn, n[:, :c])
    g = literal_gated(file, f'{attn}.gatedcnn', n[:, c : 2 * c])
    hidden = F.gelu(F.conv2d(n[:, 2 * c :], file[f'{attn}.mlp.0.weight'][..., None]))
    p = F.conv2d(hidden, file[f'{attn}.mlp.2.weight'][..., None])
    mixed = torch.cat(
        [
            a + file[f'{attn}.alpha_att'] * torch.sigmoid(g + p),
            g + file[f'{attn}.alpha_gated'] * torch.sigmoid(a + p),
            p + file[f'{attn}.alpha_mlp'] * torch.sigmoid(a + g),
        ],
        1,
    )
    x = x + F.conv2d(mixed, file[f'{attn}.project_out.weight'])
    wide = F.gelu(
        F.conv2d(literal_norm(file, f'{name}.norm2', x), file[f'{name}.ffn.project_in.weight'])
    )
    first, second = depthwise(wide, file[f'{name}.ffn.dwconv.weight']).chunk(2, 1)
    return x + F.conv2d(F.gelu(first) * second, file[f'{name}.ffn.project_out.weight'])


def literal(file, image, depths, refinement):
    """Section 5 on the published keys; also the maps that the loss is about."""

    def conv(name, x):
        return F.conv2d(x, file[f'{name}.weight'], padding=file[f'{name}.weight'].shape[-1] // 2)

    def chain(name, x, depth):
        for i in range(depth):
            x = literal_block(file, f'{name}.{i}', x)
        return x

    def up(name, x):
        return F.pixel_shuffle(conv(f'{name}.body.0', x), 2)

    skips, x = [], conv('patch_embed.proj', image)
    for level, down in enumerate(('down1_2', 'down2_3', 'down3_4')):
        skips.append(chain(f'encoder_level{level + 1}', x, depths[level]))
        x = F.pixel_unshuffle(conv(f'{down}.body.0', skips[-1]), 2)
    latent = conv('reduce_dim_level3', chain('latent', x, depths[3]))
    x = conv('reduce_chan_level3', torch.cat([up('up4_3', latent), skips[2]], 1))
    x = chain('decoder_level3', x, depths[2])
    x = conv('reduce_chan_level2', torch.cat([up('up3_2', x), skips[1]], 1))
    x = chain('decoder_level2', x, depths[1])
    x = chain('decoder_level1', torch.cat([up('up2_1', x), skips[0]], 1), depths[0])
    return conv('output', chain('refinement', x, refinement)) + image, skips[0], latent


@pytest.fixture(scope='module')
def converted():
    torch.manual_seed(0)
    network = build('mirage.yaml', SMALL)
    file, _ = loads_whole(network, PLUGIN.convert, published_shapes(6, SMALL['depths'], 1))
    return in_float64(network, file)


def test_the_answer_is_the_papers(converted):
    network, file = converted
    image = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    wanted, _, _ = literal(file, image, SMALL['depths'], 1)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(image), wanted, atol=1e-6, rtol=1e-6)


def test_the_loss_is_the_papers(converted):
    network, file = converted
    image = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    _, shallow, latent = literal(file, image, SMALL['depths'], 1)
    embedded = []
    for x, kind in ((shallow, 'shallow'), (latent, 'latent')):
        x = F.conv2d(x, file[f'reduce_{kind}.weight'], file[f'reduce_{kind}.bias'])
        rows = []
        for one in x.flatten(2):
            one = one - one.mean(1, keepdim=True)
            covariance = one @ one.T / (one.shape[1] - 1) + 1e-5 * torch.eye(len(one)).double()
            linear = f'spd_proj_{kind}'
            row = file[f'{linear}.weight'] @ covariance.flatten() + file[f'{linear}.bias']
            rows.append(row / row.norm())
        embedded.append(torch.stack(rows))
    logits = embedded[0] @ embedded[1].T / 0.1
    wanted = 0.01 * -logits.log_softmax(1).diagonal().mean()
    context = Context(image, records=[])
    with torch.no_grad():
        restored = network.eval()(image, context)
    loss = LOSSES.build({'type': 'CovarianceContrastLoss'})
    torch.testing.assert_close(loss(restored, image, context), wanted, atol=1e-7, rtol=1e-6)
    alone = Context(image[:1], records=[])
    with torch.no_grad():
        network(image[:1], alone)
    assert loss(image[:1], image[:1], alone) == 0


def test_the_loss_says_what_it_needs():
    loss = LOSSES.build({'type': 'CovarianceContrastLoss'})
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match='found no embeddings'):
        loss(image, image, Context(image))


def test_records_are_kept_in_training_alone():
    network = build('mirage.yaml', SMALL)
    image = torch.rand(1, 3, 8, 8)
    assert network.eval().describe(image).records is None
    assert network.train().describe(image).records == []


def test_training_leaves_convolutions_out_by_chance():
    network = build('mirage.yaml', SMALL).train()
    image = torch.rand(8, 3, 8, 8)
    one, other = network(image), network(image)
    assert not torch.equal(one, other)


@pytest.mark.parametrize('name', ['mirage', 'mirage_t', 'mirage_demo'])
def test_configs_train(name):
    trains(f'{name}.yaml')
