"""Strips of rows give what the whole map gives, at any size and precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from irbox.blocks import MSTBlock, TransformerBlock
from irbox.experts import MLPExpert
from irbox.layers import (
    attention,
    feed_forward,
    mamba_style_attention,
    mixture_of_experts,
    strips,
)
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.strip_convolutions import Convolved
from irbox.layers.top_k import top_k_weights
from irbox.layers.widen import convolve_in_strips
from irbox.structures import Context, Routing, Stage

SIZES = [(1, 1, 1), (2, 7, 5), (3, 16, 9), (1, 13, 2), (2, 2, 31)]
BLOCKS = {
    'transformer': lambda stage: TransformerBlock(stage),
    'with bias': lambda stage: TransformerBlock(stage, bias=True),
    'mst': lambda stage: MSTBlock(stage),
    'mst, masked': lambda stage: MSTBlock(
        stage, mask_mode='multiply', separable=True, projection=False
    ),
}


@pytest.fixture(params=[1, 8000, 2**21], ids=['row by row', 'a few rows', 'whole'])
def length(request, monkeypatch):
    monkeypatch.setattr(strips, 'BYTES', request.param)


def answers(block, x, autocast):
    context = Context(x, gates=[])
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        parts = [block(x, context), block.ffn(x), block.attn(x)]
    return parts + [gate.values for gate in context.gates]


@pytest.mark.usefixtures('length')
@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('name', BLOCKS)
@pytest.mark.parametrize(
    ('dtype', 'autocast', 'tolerance'),
    [(torch.float64, False, 1e-10), (torch.float32, False, 1e-5), (torch.float32, True, 3e-2)],
    ids=['float64', 'float32', 'autocast'],
)
def test_strips_give_what_the_whole_map_gives(name, size, dtype, autocast, tolerance, monkeypatch):
    torch.manual_seed(0)
    block = BLOCKS[name](Stage(dim=24, heads=3)).to(dtype)
    batch, height, width = size
    x = torch.randn(batch, 24, height, width, dtype=dtype)
    before = x.clone()
    found = answers(block, x, autocast)
    assert torch.equal(x, before), 'what a block is given is not written over'
    for module in (attention, feed_forward, mamba_style_attention):
        monkeypatch.setattr(module, 'can_run_in_strips', lambda *_: False)
    for ours, plain in zip(found, answers(block, x, autocast), strict=True):
        assert ours.dtype == plain.dtype
        assert (ours - plain).abs().max() <= tolerance * plain.abs().max()


@pytest.mark.usefixtures('length')
@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('query_norm', ['channel', 'head'])
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('far', [False, True])
def test_a_map_that_asks_another_in_strips(size, query_norm, bias, far, monkeypatch):
    layer = TransposedCrossAttention(24, 3, bias, query_norm)
    if far:  # as MoCE-IR has it: no strip has a margin for it
        layer.kv_dwconv = nn.Conv2d(48, 48, 7, padding=3, groups=48)
    layer.requires_grad_(False).double()
    batch, height, width = size
    asking, source = torch.randn(2, batch, 24, height, width, dtype=torch.float64)
    # A query that is the same everywhere is a view without memory of its own.
    for query in (asking, asking[..., :1, :1].expand_as(source)):
        found = layer(query, source)
        with monkeypatch.context() as patch:
            patch.setattr(attention, 'can_run_in_strips', lambda *_: False)
            torch.testing.assert_close(found, layer(query, source))


@pytest.mark.usefixtures('length')
@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('combine', ['sum', 'logexp'])
def test_experts_in_strips(size, combine, monkeypatch):
    experts = MixtureOfExperts([MLPExpert(24) for _ in range(4)], combine, MLPExpert(24))
    experts.requires_grad_(False)
    batch, height, width = size
    x, scores = torch.randn(batch, 24, height, width), torch.randn(batch, 4, height, width)
    routing = Routing(top_k_weights(scores, 2), torch.ones(4))
    found = experts(x, routing)
    monkeypatch.setattr(mixture_of_experts, 'can_run_in_strips', lambda *_: False)
    torch.testing.assert_close(found, experts(x, routing))


@pytest.mark.usefixtures('length')
def test_a_convolution_in_strips():
    x, weight = torch.randn(3, 9, 6, 4), torch.randn(4, 1, 3, 3)
    made = torch.zeros(3, 9)

    def fill(images, rows, out):
        made[images, rows] += 1
        out.copy_(x[images, rows])

    out = torch.full_like(x, torch.nan)
    for images, rows, strip in convolve_in_strips(fill, Convolved(weight, None), (3, 9, 6)):
        out[images, rows] = strip
    whole = F.conv2d(x.permute(0, 3, 1, 2), weight, padding=1, groups=4).permute(0, 2, 3, 1)
    torch.testing.assert_close(out, whole)
    assert (made == 1).all(), 'no row is made twice'


@pytest.mark.usefixtures('length')
def test_every_row_is_in_one_strip():
    seen = torch.zeros(5, 11)
    for images, rows in strips.strips((5, 11, 3), 16, torch.float32):
        seen[images, rows] += 1
    assert (seen == 1).all()


def test_where_strips_are_not_for():
    x, layer = torch.randn(1, 16, 4, 4), GatedFeedForward(16)
    assert not strips.can_run_in_strips(x, layer), 'something learns'
    assert not strips.can_run_in_strips(x.requires_grad_(), layer.requires_grad_(False))
    x = x.detach()
    assert strips.can_run_in_strips(x, layer)
    assert not strips.can_run_in_strips(x.to('meta'), layer)
    with torch.no_grad():
        handle = layer.project_in.register_forward_hook(lambda *_: None)
        assert not strips.can_run_in_strips(x, layer), 'somebody watches a convolution'
        handle.remove()
        assert strips.can_run_in_strips(x, layer)
        handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
        assert not strips.can_run_in_strips(x, layer), 'somebody watches all modules'
        handle.remove()


def test_a_layer_that_was_overridden_is_called():
    class Doubled(GatedFeedForward):
        def forward(self, x):
            return 2 * super().forward(x)

    x, norm = torch.randn(1, 16, 4, 4), TransformerBlock(Stage(16, 1)).norm1
    layer = Doubled(16)
    with torch.no_grad():
        torch.testing.assert_close(layer.add_to(x, norm), x + layer(norm(x)))


@pytest.mark.parametrize('channels', [16, 288, 512, 2048])
@pytest.mark.parametrize('width', [1, 90, 720, 6000])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_ring_stays_in_the_cache_however_wide_the_map(dtype, width, channels):
    rows, columns = strips.strip_of_ring(width, channels, dtype)
    assert 1 <= columns <= width
    assert rows >= (2 if dtype == torch.bfloat16 else 1)
    # With a row above, one below, and a column on either side.
    across = columns + 2 * (columns < width)
    assert (rows + 2) * across * channels * dtype.itemsize <= strips.BYTES
    assert columns == width or rows <= 2, 'rows are cut only where few of them fill the cache'
