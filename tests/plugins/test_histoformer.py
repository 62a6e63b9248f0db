"""Histoformer and HOGformer: counts and cost, files with released keys, answers by the book.

Sorting makes answers chaotic in float32: they are compared in float64.
"""

import math

import pytest
import torch
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from support.literal import conv, in_float64
from support.peers import build, loads_whole, parameters, plugin, stirred, trains

PLUGIN = plugin('histoformer')
CONFIG = {'attn_g': 'histoformer.yaml', 'attn_g_spatial': 'hogformer.yaml'}
SMALL = {'dim': 12, 'depths': [1, 2, 1, 1], 'refinement': 1}


def block_shapes(name, c, heads, kind):
    g = int(2.667 * c)
    attn, ffn = f'{name}.{kind}', f'{name}.ffn'
    yield f'{attn}.temperature', (heads, 1, 1)
    yield f'{attn}.qkv.weight', (5 * c, c, 1, 1)
    yield f'{attn}.qkv_dwconv.weight', (5 * c, 1, 3, 3)
    yield f'{attn}.project_out.weight', (c, c, 1, 1)
    yield f'{ffn}.project_in.weight', (2 * g, c, 1, 1)
    yield f'{ffn}.dwconv_5.weight', (g // 4, 1, 5, 5)
    yield f'{ffn}.dwconv_dilated2_1.weight', (g // 4, 1, 3, 3)
    yield f'{ffn}.project_out.weight', (c, g, 1, 1)
    if kind == 'attn_g_spatial':
        yield f'{attn}.bin_proj.weight', (c // 2, 9, 1, 1)
        yield f'{ffn}.sigma.scale', (1, g // 4, 1, 1)
        yield f'{ffn}.decompose.weight', (1, g // 4, 1, 1)
        yield f'{ffn}.decompose.bias', (1,)


def published_shapes(kind, d=36, depths=(4, 4, 6, 8), refinement=4):
    """Sections 1 and 2: keys and shapes, without the constant filters."""
    shapes = {'patch_embed.proj.weight': (d, 3, 3, 3), 'output.weight': (3, 2 * d, 3, 3)}
    heads = (1, 2, 4, 8)
    for level in range(3):
        width = d * 2**level
        for i in range(depths[level]):
            shapes |= dict(block_shapes(f'encoder_level{level + 1}.{i}', width, heads[level], kind))
            wide = 2 * d if level == 0 else width
            shapes |= dict(block_shapes(f'decoder_level{level + 1}.{i}', wide, heads[level], kind))
        wide = 2 * width
        shapes[f'reduce_chan_level_{level + 1}.weight'] = (wide, wide + 3, 1, 1)
        shapes[f'skip_patch_embed{level + 1}.proj.1.weight'] = (3, 3, 1, 1)
        shapes[f'skip_patch_embed{level + 1}.proj.2.weight'] = (3, 1, 3, 3)
    for i in range(depths[3]):
        shapes |= dict(block_shapes(f'latent.{i}', 8 * d, 8, kind))
    for i in range(refinement):
        shapes |= dict(block_shapes(f'refinement.{i}', 2 * d, 1, kind))
    for name, c, out in (
        ('down1_2', d, d // 2),
        ('down2_3', 2 * d, d),
        ('down3_4', 4 * d, 2 * d),
        ('up4_3', 8 * d, 16 * d),
        ('up3_2', 4 * d, 8 * d),
        ('up2_1', 2 * d, 4 * d),
    ):
        shapes[f'{name}.body.0.weight'] = (out, c, 3, 3)
    shapes['reduce_chan_level3.weight'] = (4 * d, 8 * d, 1, 1)
    shapes['reduce_chan_level2.weight'] = (2 * d, 4 * d, 1, 1)
    return shapes


def sobel_shapes(shapes):
    """The constant filters that HOGformer's files hold, for each block."""
    for name, shape in shapes.items():
        if name.endswith('qkv_dwconv.weight'):
            for axis in 'xy':
                yield name.replace('qkv_dwconv.weight', f'sobel_{axis}'), (shape[0] // 5, 1, 3, 3)


@pytest.mark.parametrize(
    ('kind', 'count', 'keys', 'gmacs', 'levels'),
    [
        (
            'attn_g',
            16_615_100,
            339,
            91.59,
            [82_324, 309_800, 1_800_312, 9_445_696, 1_800_312, 309_800, 309_796, 309_796],
        ),
        (
            'attn_g_spatial',
            16_646_220,
            579,
            91.77,
            [83_168, 311_484, 1_805_358, 9_459_144, 1_805_358, 311_484, 311_480, 311_480],
        ),
    ],
)
def test_parameters_keys_and_cost(kind, count, keys, gmacs, levels):
    network = build(CONFIG[kind], device='meta').eval()
    assert parameters(network) == count
    places = [*network.encoders, network.bottleneck, *network.decoders, network.refinement]
    assert list(map(parameters, places)) == levels
    shapes = published_shapes(kind)
    filters = dict(sobel_shapes(shapes)) if kind == 'attn_g_spatial' else {}
    assert len(shapes) + len(filters) == keys
    if filters:
        assert sum(torch.Size(shape).numel() for shape in filters.values()) == 95_904
    file = {name: torch.empty(shape) for name, shape in (shapes | filters).items()}
    own = PLUGIN.convert(file, network)
    assert len(own) == len(shapes) and sum(own.left_out.values()) == len(filters)
    # The published count leaves out biases and what is one operation per element.
    assert count_macs(network, 256, 256).total() / 1e9 == pytest.approx(gmacs, rel=0.005)


@pytest.mark.parametrize('kind', CONFIG)
def test_promises(kind):
    """Those of ``keeps_its_promises``, in float64."""
    network = stirred(build(CONFIG[kind], SMALL)).double().eval()
    for size in ((17, 23), (8, 8), (3, 40)):
        image = torch.rand(3, 3, *size, dtype=torch.float64)
        with torch.no_grad():
            together = network(image)
            assert together.shape == image.shape and together.isfinite().all()
            assert torch.equal(network(image), together)
            alone = torch.cat([network(one[None]) for one in image])
        # A change of rounding's size moves values less than sorting can tell apart.
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-6)
    network.train()(torch.rand(2, 3, 40, 48, dtype=torch.float64)).square().sum().backward()
    grads = {name: weight.grad for name, weight in network.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert {name for name, grad in grads.items() if not grad.any()} == set()


@pytest.mark.parametrize('kind', ['HistogramBlock', 'GradientBlock'])
def test_widths_that_do_not_fit_are_refused(kind):
    with pytest.raises(ValueError, match='multiple of 4'):
        BLOCKS.build({'type': kind}, stage=Stage(8, 1))
    with pytest.raises(ValueError, match='twice that must divide the 12 channels'):
        BLOCKS.build({'type': kind}, stage=Stage(12, 4))


@pytest.mark.parametrize('kind', ['HistogramBlock', 'GradientBlock'])
def test_a_block_runs_with_mixed_precision(kind):
    block = BLOCKS.build({'type': kind}, stage=Stage(24, 2))
    x = torch.randn(1, 24, 9, 11)
    with torch.autocast('cpu', torch.bfloat16):
        assert block(x, Context(x)).isfinite().all()


def literal_norm(x):
    mean = x.mean(1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(1, keepdim=True) + 1e-5).sqrt()


def literal_bins(q, k, v, temperature, interleaved):
    """Step 4, for one image, (C, HW): head by head, token by token."""
    heads, (dim, count) = len(temperature), v.shape
    per_head = dim // heads
    total = -(-count // heads) * heads
    m = total // heads
    q, k, v = (F.pad(x, (0, total - count)) for x in (q, k, v))
    answer = torch.zeros_like(v)
    places = [[j * heads + f if interleaved else f * m + j for j in range(m)] for f in range(heads)]
    for head in range(heads):
        tokens = [
            (channel, f)
            for channel in range(head * per_head, (head + 1) * per_head)
            for f in range(heads)
        ]
        rows = [torch.stack([x[c, places[f]] for c, f in tokens]) for x in (q, k, v)]
        rows[0], rows[1] = (x / x.norm(dim=1, keepdim=True).clamp_min(1e-12) for x in rows[:2])
        scores = (rows[0] @ rows[1].T * temperature[head]).exp()
        out = scores / (1 + scores.sum(1, keepdim=True)) @ rows[2]
        for row, (c, f) in enumerate(tokens):
            answer[c, places[f]] = out[row]
    return answer[:, :count]


def literal_core(file, attn, maps, orders):
    """Steps 3 to 5 with given orders, (C, HW) for each image."""
    answers = []
    for i, order in enumerate(orders):
        q1, k1, q2, k2, v = (x[i].flatten(1).gather(1, order) for x in maps)
        temperature = file[f'{attn}.temperature'].flatten()
        back = []
        for q, k, interleaved in ((q1, k1, False), (q2, k2, True)):
            out, unsorted = literal_bins(q, k, v, temperature, interleaved), torch.zeros_like(v)
            for channel in range(len(v)):
                unsorted[channel, order[channel]] = out[channel]
            back.append(unsorted)
        answers.append((back[0] * back[1]).view_as(maps[0][i]))
    return conv(file, f'{attn}.project_out', torch.stack(answers))


def literal_histogram(file, attn, n):
    half = n.shape[1] // 2
    a, of_columns = n[:, :half].sort(2)
    a, of_rows = a.sort(3)
    maps = conv(file, f'{attn}.qkv', torch.cat([a, n[:, half:]], 1))
    maps = conv(file, f'{attn}.qkv_dwconv', maps, groups=maps.shape[1]).chunk(5, 1)
    orders = [one.flatten(1).argsort(1) for one in maps[4]]
    out = literal_core(file, attn, maps, orders)
    first = torch.zeros_like(out[:, :half]).scatter_(3, of_rows, out[:, :half])
    first = torch.zeros_like(first).scatter_(2, of_columns, first)
    return torch.cat([first, out[:, half:]], 1)


def literal_gradients(x):
    sx = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=x.dtype)
    sy = torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]], dtype=x.dtype)
    gx, gy = (
        F.conv2d(x, s.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1]) for s in (sx, sy)
    )
    return (gx**2 + gy**2 + 1e-6).sqrt(), torch.atan2(gy, gx)


def literal_hog(file, attn, n):
    half, (height, width) = n.shape[1] // 2, n.shape[2:]
    a = n[:, :half]
    magnitude, angle = literal_gradients(a)
    bins = (9 * (angle + math.pi) / (2 * math.pi)).trunc() % 9
    around = (0, -width % 8, 0, -height % 8)
    a, magnitude, bins = (F.pad(x, around) for x in (a, magnitude, bins))
    rows, columns = a.shape[2] // 8, a.shape[3] // 8
    histogram = torch.zeros(len(n), 9, rows, columns, dtype=n.dtype)
    moved, orders = torch.zeros_like(a), {}
    for i in range(len(n)):
        for r in range(rows):
            for c in range(columns):
                place = (i, slice(None), slice(8 * r, 8 * r + 8), slice(8 * c, 8 * c + 8))
                m, b = magnitude[place], bins[place]
                for number in range(9):
                    histogram[i, number, r, c] = (m * (b == number)).mean()
                order = (m * (b + 1)).sum(0).flatten().argsort()
                orders[i, r, c] = place, order
                moved[place] = a[place].flatten(1)[:, order].view(half, 8, 8)
    histogram = histogram / (histogram.sum(1, keepdim=True) + 1e-8)
    shown = F.interpolate(
        conv(file, f'{attn}.bin_proj', histogram), (height, width), mode='bilinear'
    )
    a = moved[..., :height, :width] + shown
    maps = conv(file, f'{attn}.qkv', torch.cat([a, n[:, half:]], 1))
    maps = conv(file, f'{attn}.qkv_dwconv', maps, groups=maps.shape[1]).chunk(5, 1)
    magnitude, angle = literal_gradients(maps[4])
    score = (magnitude * (angle + math.pi) / (2 * math.pi)).sum(1).flatten(1)
    out = literal_core(file, attn, maps, [one.argsort().expand(2 * half, -1) for one in score])
    first = F.pad(out[:, :half], around)
    undone = torch.zeros_like(first)
    for place, order in orders.values():
        patch = torch.zeros(half, 64, dtype=n.dtype)
        patch[:, order] = first[place].flatten(1)
        undone[place] = patch.view(half, 8, 8)
    return torch.cat([undone[..., :height, :width], out[:, half:]], 1)


def literal_block(file, name, x):
    attn = next(kind for kind in CONFIG if f'{name}.{kind}.temperature' in file)
    attend = {'attn_g': literal_histogram, 'attn_g_spatial': literal_hog}[attn]
    x = x + attend(file, f'{name}.{attn}', literal_norm(x))
    ffn = f'{name}.ffn'
    u1, u2 = F.pixel_shuffle(conv(file, f'{ffn}.project_in', literal_norm(x)), 2).chunk(2, 1)
    u1 = conv(file, f'{ffn}.dwconv_5', u1, groups=u1.shape[1])
    dilated = {'dilation': 2, 'padding': 2, 'groups': u2.shape[1]}
    u = F.mish(conv(file, f'{ffn}.dwconv_dilated2_1', u2, **dilated)) * u1
    if attn == 'attn_g_spatial':
        u = u + file[f'{ffn}.sigma.scale'] * (u - F.gelu(conv(file, f'{ffn}.decompose', u)))
    return x + conv(file, f'{ffn}.project_out', F.pixel_unshuffle(u, 2))


def literal(file, image, depths, refinement):
    """Section 1 on the published keys."""

    def chain(name, x, depth):
        for i in range(depth):
            x = literal_block(file, f'{name}.{i}', x)
        return x

    def up(name, x):
        return F.pixel_shuffle(conv(file, f'{name}.body.0', x), 2)

    skips, x, copy = [], conv(file, 'patch_embed.proj', image), image
    for level, down in enumerate(('down1_2', 'down2_3', 'down3_4')):
        skips.append(chain(f'encoder_level{level + 1}', x, depths[level]))
        embed = f'skip_patch_embed{level + 1}.proj'
        copy = conv(file, f'{embed}.2', conv(file, f'{embed}.1', F.avg_pool2d(copy, 2)), groups=3)
        x = F.pixel_unshuffle(conv(file, f'{down}.body.0', skips[-1]), 2)
        x = conv(file, f'reduce_chan_level_{level + 1}', torch.cat([x, copy], 1))
    x = chain('latent', x, depths[3])
    x = conv(file, 'reduce_chan_level3', torch.cat([up('up4_3', x), skips[2]], 1))
    x = chain('decoder_level3', x, depths[2])
    x = conv(file, 'reduce_chan_level2', torch.cat([up('up3_2', x), skips[1]], 1))
    x = chain('decoder_level2', x, depths[1])
    x = chain('decoder_level1', torch.cat([up('up2_1', x), skips[0]], 1), depths[0])
    return conv(file, 'output', chain('refinement', x, refinement)) + image


# Sides that are multiples of 8 at no level but the first, and pixels that are no multiple of the
# bins at the lowest.
@pytest.mark.parametrize('kind', CONFIG)
def test_the_answer_is_the_papers(kind):
    torch.manual_seed(0)
    network = build(CONFIG[kind], SMALL)
    shapes = published_shapes(kind, 12, SMALL['depths'], 1)
    file, _ = loads_whole(network, PLUGIN.convert, shapes)
    network, file = in_float64(network.eval(), file)
    image = torch.rand(2, 3, 24, 40, dtype=torch.float64)
    wanted = literal(file, image, SMALL['depths'], 1)
    with torch.no_grad():
        found = network(image)
    torch.testing.assert_close(found, wanted, atol=1e-7 * wanted.std().item(), rtol=1e-7)


NAMES = ('histoformer', 'histoformer_demo', 'hogformer', 'hogformer_demo')


@pytest.mark.parametrize('name', NAMES)
def test_configs_train(name):
    trains(f'{name}.yaml')
