import pytest
import torch
from torch import nn
from torch.nn import functional as F

from irbox.layers.attention import TransposedAttention
from irbox.layers.channel_attention import channel_attention
from irbox.layers.cross_attention import TransposedCrossAttention


def reference(query, key, value, temperature, projection):
    """Restormer's formula as it is written, in double precision."""
    batch, dim, height, width = value.shape
    heads = temperature.shape[0]

    def split(x):
        return x.double().reshape(batch, heads, dim // heads, height * width)

    query = F.normalize(split(query), dim=-1)
    key = F.normalize(split(key), dim=-1)
    weights = (query @ key.transpose(-2, -1) * temperature.double()).softmax(-1)
    out = (weights @ split(value)).reshape(batch, dim, height, width)
    if projection is None:
        return out
    bias = None if projection.bias is None else projection.bias.double()
    return F.conv2d(out, projection.weight.double(), bias)


def maps(dim=8, height=5, width=7, **options):
    return [torch.randn(2, dim, height, width, **options) for _ in range(3)]


@pytest.mark.parametrize('heads', [1, 2, 4])
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('size', [(5, 7), (1, 1)])
def test_equals_the_formula_with_gradients(heads, bias, size):
    query, key, value = maps(8, *size, requires_grad=True)
    temperature = (1 + torch.rand(heads, 1, 1)).requires_grad_()
    projection = nn.Conv2d(8, 8, 1, bias=bias)
    ours = channel_attention(query, key, value, temperature, projection)
    slow = reference(query, key, value, temperature, projection)
    torch.testing.assert_close(ours.double(), slow, atol=1e-5, rtol=1e-4)
    inputs = [query, key, value, temperature, *projection.parameters()]
    factors = torch.randn_like(ours)
    for one, other in zip(
        torch.autograd.grad((ours * factors).sum(), inputs),
        torch.autograd.grad((slow * factors).sum(), inputs),
        strict=True,
    ):
        # At one pixel the normalised maps are signs, whose gradient is zero up to rounding.
        torch.testing.assert_close(one, other.to(one.dtype), atol=2e-5, rtol=1e-3)


def test_self_attention_is_the_formula_on_its_convolutions():
    layer = TransposedAttention(8, 2, bias=True)
    x = torch.randn(2, 8, 6, 5)
    query, key, value = layer.qkv_dwconv(layer.qkv(x)).chunk(3, dim=1)
    slow = reference(query, key, value, layer.temperature, layer.project_out)
    torch.testing.assert_close(layer(x).double(), slow, atol=1e-5, rtol=1e-4)


def test_self_attention_without_its_projection():
    layer = TransposedAttention(8, 2, projection=False)
    assert layer.project_out is None
    x = torch.randn(2, 8, 6, 5)
    query, key, value = layer.qkv_dwconv(layer.qkv(x)).chunk(3, dim=1)
    slow = reference(query, key, value, layer.temperature, None)
    torch.testing.assert_close(layer(x).double(), slow, atol=1e-5, rtol=1e-4)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    assert layer(channels_last).is_contiguous(memory_format=torch.channels_last)


def test_cross_attention_asks_one_map_about_another():
    layer = TransposedCrossAttention(8, 4)
    asking, source = torch.randn(2, 8, 6, 5), torch.randn(2, 8, 6, 5)
    query = layer.q_dwconv(layer.q(asking))
    key, value = layer.kv_dwconv(layer.kv(source)).chunk(2, dim=1)
    slow = reference(query, key, value, layer.temperature, layer.project_out)
    torch.testing.assert_close(layer(asking, source).double(), slow, atol=1e-5, rtol=1e-4)


def test_the_querys_norm_may_be_taken_over_a_head():
    query, key, value = maps()
    temperature = 1 + torch.rand(2, 1, 1)
    projection = nn.Conv2d(8, 8, 1)
    ours = channel_attention(query, key, value, temperature, projection, 'head')
    # The channels of a head have a mean square norm of one together.
    heads = query.double().reshape(2, 2, 4, 35)
    scores = heads / heads.square().sum((2, 3), keepdim=True).sqrt() * 4**0.5
    scores = scores @ F.normalize(key.double().reshape(2, 2, 4, 35), dim=-1).transpose(-2, -1)
    out = (scores * temperature.double()).softmax(-1) @ value.double().reshape(2, 2, 4, 35)
    wanted = F.conv2d(out.reshape(2, 8, 5, 7), projection.weight.double(), projection.bias.double())
    torch.testing.assert_close(ours.double(), wanted, atol=1e-5, rtol=1e-4)


def test_a_constant_query_keeps_its_size_with_a_norm_per_head_alone():
    source = torch.randn(1, 8, 16, 16)
    query = torch.randn(1, 8, 1, 1)
    stretched = query * torch.linspace(0.5, 2, 8).view(1, 8, 1, 1)
    for query_norm, same in (('channel', True), ('head', False)):
        answers = [
            channel_attention(
                one.expand_as(source), source, source, torch.ones(2, 1, 1), None, query_norm
            )
            for one in (query, stretched)
        ]
        assert torch.allclose(*answers, atol=1e-5) == same


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_an_empty_query_attends_evenly_with_finite_gradients(dtype):
    layer = TransposedCrossAttention(8, 2)
    empty, source = torch.zeros(1, 8, 16, 16), torch.randn(1, 8, 16, 16)
    with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
        out = layer(empty, source)
    value = layer.kv_dwconv(layer.kv(source)).chunk(2, dim=1)[1]
    even = value.view(1, 2, 4, 16, 16).mean(2, keepdim=True).expand(-1, -1, 4, -1, -1)
    wanted = layer.project_out(even.reshape(1, 8, 16, 16))
    torch.testing.assert_close(out.float(), wanted, atol=2e-2, rtol=2e-2)
    out.float().square().sum().backward()
    for name, weight in layer.named_parameters():
        assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('scale', [1e-4, 1e-2, 1.0, 1e2, 1e4])
def test_half_precision_is_right_for_small_and_large_maps(dtype, scale):
    common = torch.randn(1, 8, 64, 64)
    query, key = (scale * (common + torch.randn_like(common)) for _ in range(2))
    half = [x.to(dtype) for x in (query, key, torch.randn(1, 8, 64, 64))]
    temperature = torch.full((2, 1, 1), 5.0)
    projection = nn.Conv2d(8, 8, 1, bias=False)
    ours = channel_attention(*half, temperature, projection)
    slow = reference(*half, temperature, projection)
    assert ours.dtype == dtype
    assert ((ours.double() - slow).norm() / slow.norm()) < 8e-3


def test_the_output_keeps_channels_last():
    x = torch.randn(2, 8, 6, 5).contiguous(memory_format=torch.channels_last)
    assert TransposedAttention(8, 2)(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('layer', [TransposedAttention, TransposedCrossAttention])
def test_heads_must_divide_the_channels(layer):
    with pytest.raises(ValueError, match='heads=3 must divide the 8 channels'):
        layer(8, 3)
