"""Attention from one map to another that learns by kernels beside the same as a whole."""

import copy

import pytest
import torch

from irbox.layers import cross_attention_gradient, strip_gradients
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.native import image_layers
from irbox.native.library import native


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    if native() is None:
        pytest.skip('no kernels on this machine')
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0)


def case(heads=2, bias=False, size=(2, 32, 9, 7)):
    torch.manual_seed(0)
    layer = TransposedCrossAttention(size[1], heads, bias)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, 0.3, 0.3)
    maps = (torch.randn(size).contiguous(memory_format=torch.channels_last) for _ in range(3))
    query, source, grad = maps
    return layer, query.requires_grad_(), source.requires_grad_(), grad


def gradients(layer, query, source, grad):
    answer = layer(query, source)
    return [answer, *torch.autograd.grad(answer, [query, source, *layer.parameters()], grad)]


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('heads', [1, 2, 4], ids='{} heads'.format)
@pytest.mark.parametrize('size', [(2, 32, 9, 7), (1, 64, 3, 2), (3, 32, 40, 36)], ids=str)
def test_gradients_by_kernels(heads, bias, size, monkeypatch):
    """Beside those of the layer in float64, which no kernel computes."""
    layer, query, source, grad = case(heads, bias, size)
    asked = []
    for module, name in (
        (cross_attention_gradient.operators, 'depthwise_gradient'),
        (image_layers, 'cross_attention_gradient'),
    ):
        kernel = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, k=kernel: asked.append(1) or k(*a))
    found = gradients(layer, query, source, grad)
    again = gradients(layer, query, source, grad)
    assert asked == [1, 1]
    doubled = [one.detach().double() for one in (query, source, grad)]
    exact = copy.deepcopy(layer).double()
    whole = gradients(exact, *(one.requires_grad_() for one in doubled))
    assert asked == [1, 1]
    for one, same, other in zip(found, again, whole, strict=True):
        assert torch.equal(one, same)
        assert (one - other).abs().max() <= 2e-5 * other.abs().max() + 1e-6


def test_they_can_be_differentiated_again():
    found = []
    for kind in (torch.float32, torch.float64):
        layer, query, source, _ = case()
        layer, *maps = (one.to(kind) for one in (layer, query.detach(), source.detach()))
        query, source = (one.requires_grad_() for one in maps)
        answer = layer(query, source)
        (first,) = torch.autograd.grad(answer.square().sum(), source, create_graph=True)
        inputs = [query, source, *layer.parameters()]
        found.append(torch.autograd.grad(first.square().sum(), inputs))
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-3 * other.abs().max()


def test_one_map_may_be_both():
    layer, query, _, grad = case()
    answer = layer(query, query)
    (found,) = torch.autograd.grad(answer, query, grad)
    (expected,) = torch.autograd.grad(layer.as_a_whole(query, query), query, grad)
    assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


@pytest.mark.parametrize('change', ['watched', 'by heads', 'autocast'])
def test_what_is_left_to_torch(change, monkeypatch):
    layer, query, source, _ = case()
    monkeypatch.setattr(cross_attention_gradient.operators, 'attend', None)
    if change == 'watched':
        layer.kv.register_forward_hook(lambda *_: None)
    elif change == 'by heads':
        layer.query_norm = 'head'
    with torch.autocast('cpu', torch.bfloat16, enabled=change == 'autocast'):
        assert layer(query, source).grad_fn is not None


def test_a_query_that_is_zero_has_no_gradient():
    layer, query, source, grad = case()
    query = torch.zeros_like(query).requires_grad_()
    answer, of_query, *_ = gradients(layer, query, source, grad)
    assert answer.isfinite().all() and not of_query.any()
