"""MoCE-IR's released weights, by the keys and shapes that its public code gives them."""

import sys

import pytest
import torch

from irbox.config import load_plugins
from irbox.registry import MODELS
from support.peers import ROOT, TINY, build, loads_whole
from support.published_files import moce_ir_file as published_shapes

load_plugins([ROOT / 'plugins/moce_ir'])
convert = sys.modules[MODELS.get('MoCEIR').__module__.rpartition('.')[0]].convert
SMALL = TINY | {'decoder_depths': [1, 1, 2]}


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
