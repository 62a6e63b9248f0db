"""MoCE-IR's released weights, by the keys and shapes that its public code gives them."""

import sys

import pytest
import torch

from irbox.config import load_plugins
from irbox.registry import MODELS
from support.peers import ROOT, TINY, build, loads_whole

load_plugins([ROOT / 'plugins/moce_ir'])
convert = sys.modules[MODELS.get('MoCEIR').__module__.rpartition('.')[0]].convert
SMALL = TINY | {'decoder_depths': [1, 1, 2]}


def published_shapes(dim, depths, decoder_depths, refinement):
    """Section 4: keys and shapes; what stands in a body has names of the test's own."""
    heads = (1, 2, 4, 8)

    def layer(name, shape, bias=True):
        yield f'{name}.weight', shape
        if bias:
            yield f'{name}.bias', shape[:1]

    def norms(name, c):
        for number in (0, 1):
            yield from layer(f'{name}.norms.{number}.body', (c,))

    def attention(name, c, h, bias):
        yield f'{name}.temperature', (h, 1, 1)
        yield from layer(f'{name}.qkv', (3 * c, c, 1, 1), bias)
        yield from layer(f'{name}.qkv_dwconv', (3 * c, 1, 3, 3), bias)
        yield from layer(f'{name}.project_out', (c, c, 1, 1), bias)

    def feed_forward(name, c, bias):
        yield from layer(f'{name}.project_in', (4 * c, c, 1, 1), bias)
        yield from layer(f'{name}.dwconv', (4 * c, 1, 3, 3), bias)
        yield from layer(f'{name}.project_out', (c, 2 * c, 1, 1), bias)

    def plain(name, c, h):
        yield from norms(name, c)
        yield from attention(f'{name}.mixer', c, h, True)
        yield from feed_forward(f'{name}.ffn', c, True)

    def routed(name, c, h):
        yield from norms(name, c)
        for number in (0, 1):
            yield from layer(f'{name}.proj.{number}', (c, c, 1, 1))
        yield from attention(f'{name}.shared', c, h, False)
        mixer = f'{name}.mixer'
        yield f'{mixer}.temperature', (h, 1, 1)
        yield f'{mixer}.q.weight', (c, c, 1, 1)
        yield f'{mixer}.q_dwconv.weight', (c, 1, 3, 3)
        yield f'{mixer}.kv.weight', (2 * c, c, 1, 1)
        yield f'{mixer}.kv_dwconv.weight', (2 * c, 1, 7, 7)
        yield f'{mixer}.project_out.weight', (c, c, 1, 1)
        yield from feed_forward(f'{name}.ffn', c, False)
        adapter = f'{name}.adapter'
        for number, r in enumerate((c // 8, c // 4, c // 2, c)):
            expert = f'{adapter}.experts.{number}.0'
            yield f'{expert}.proj.0.weight', (r, c, 1, 1)
            yield f'{expert}.proj.1.weight', (r, c, 1, 1)
            yield f'{expert}.proj.2.weight', (c, r, 1, 1)
            yield f'{expert}.body.a.weight', (r, r, 1, 1)
            yield from layer(f'{expert}.body.b', (r, 1, 3, 3))
            yield f'{expert}.body.c.weight', (2 * r, r, 1, 1)
            yield from layer(f'{expert}.body.d', (2 * r, 1, 7, 7))
            yield from layer(f'{expert}.body.e.body', (r,))
            yield from layer(f'{expert}.body.f', (r, r, 1, 1))
        yield f'{adapter}.proj_out.weight', (c, c, 1, 1)
        yield f'{adapter}.routing.gate.2.weight', (4, c)
        yield f'{adapter}.routing.freq_gate.weight', (4, 8 * dim)

    yield 'patch_embed.proj.weight', (dim, 3, 3, 3)
    yield 'output.weight', (3, dim, 3, 3)
    yield 'freq_embed.high_conv.0.conv.weight', (8 * dim, 1, 3, 3)
    yield from layer('freq_embed.mlp.0', (16 * dim, 8 * dim))
    yield from layer('freq_embed.mlp.2', (8 * dim, 16 * dim))
    for level in range(3):
        c = dim * 2**level
        for i in range(depths[level]):
            yield from plain(f'enc.{level}.0.layers.{i}', c, heads[level])
        yield f'enc.{level}.1.body.0.weight', (c // 2, c, 3, 3)
        up = dim * 2 ** (3 - level)
        yield f'dec.{level}.0.body.0.weight', (2 * up, up, 3, 3)
        yield f'dec.{level}.1.weight', (up // 2, up, 1, 1)
        for i in range(decoder_depths[level]):
            yield from routed(f'dec.{level}.2.layers.{i}', up // 2, heads[2 - level])
    for i in range(depths[3]):
        yield from plain(f'latent.layers.{i}', 8 * dim, heads[3])
    for i in range(refinement):
        yield from plain(f'refinement.layers.{i}', dim, heads[0])


def test_the_published_file_has_the_published_size():
    shapes = dict(published_shapes(48, (4, 6, 6, 8), (4, 4, 2), 4))
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 25_353_796


def test_converts_the_published_file():
    network = build('moce_ir.yaml', SMALL)
    shapes = dict(published_shapes(8, SMALL['depths'], SMALL['decoder_depths'], 1))
    file, own = loads_whole(network, convert, shapes)
    part, name = network.decoders[2][1], 'dec.2.2.layers.1.'
    for ours, theirs in (
        (part.norm2.bias, 'norms.1.body.bias'),
        (part.to_shared.weight, 'proj.0.weight'),
        (part.to_routed.weight, 'proj.1.weight'),
        (part.mixture.router.score.weight, 'adapter.routing.gate.2.weight'),
        (part.mixture.router.score_embedding.weight, 'adapter.routing.freq_gate.weight'),
        (part.mixture.project_out.weight, 'adapter.proj_out.weight'),
    ):
        assert torch.equal(ours, file[name + theirs])
    for number, expert in enumerate(part.mixture.experts):
        for ours, theirs in (
            (expert.down.weight, 'proj.0.weight'),
            (expert.down_shared.weight, 'proj.1.weight'),
            (expert.up.weight, 'proj.2.weight'),
            (expert.body.q.weight, 'body.a.weight'),
            (expert.body.q_dwconv.bias, 'body.b.bias'),
            (expert.body.kv.weight, 'body.c.weight'),
            (expert.body.kv_dwconv.weight, 'body.d.weight'),
            (expert.body.norm.weight, 'body.e.body.weight'),
            (expert.body.project_out.bias, 'body.f.bias'),
        ):
            assert torch.equal(ours, file[f'{name}adapter.experts.{number}.0.{theirs}'])
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()
    complexity = {'net.' + name + 'adapter.routing.complexity': torch.ones(4)}
    assert convert(file | complexity, network).keys() == own.keys()
    with pytest.raises(ValueError, match=r'MoCE-IR.*1 missing \(freq_embed.mlp.0.bias\)'):
        convert({k: v for k, v in file.items() if k != 'freq_embed.mlp.0.bias'}, network)
