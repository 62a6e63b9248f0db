"""Cross attention that learns by fused operators against the same layer by torch's gradients.

By the operators' twins, on a CPU, as in test_fused_gradients.py.
"""

import copy

import pytest
import torch

from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.fused.switch import fused_on

CROSS = pytest.mark.parametrize(('dim', 'heads', 'bias'), [(48, 1, False), (24, 4, True)])


def case(dim, heads, bias, size=(2, 7, 9)):
    torch.manual_seed(0)
    layer, (batch, *sides) = TransposedCrossAttention(dim, heads, bias), size
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    maps = [torch.randn(batch, dim, *sides).requires_grad_() for _ in range(2)]
    return layer, maps


def gradients(answer, inputs):
    grad = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(answer, inputs, grad.to(answer.dtype))


def fused(layer, query, source):
    with fused_on('cpu', learns=True):
        answer = layer(query, source)
    assert type(answer.grad_fn).__name__ == '_FusedCrossBackward'
    return answer


@CROSS
@pytest.mark.parametrize('size', [(2, 7, 9), (1, 16, 8)], ids=str)
def test_cross_attention(dim, heads, bias, size):
    layer, maps = case(dim, heads, bias, size)
    answer = fused(layer, *maps)
    found = [answer, *gradients(answer, [*maps, *layer.parameters()])]
    exact = copy.deepcopy(layer).double()
    rights = [one.detach().double().requires_grad_() for one in maps]
    whole = exact(*rights)
    for one, best in zip(
        found, [whole, *gradients(whole, [*rights, *exact.parameters()])], strict=True
    ):
        assert one.shape == best.shape and one.dtype == torch.float32
        assert (one - best).abs().max() <= 2e-5 * best.abs().max() + 1e-6


@CROSS
def test_cross_attention_in_bfloat16(dim, heads, bias):
    layer, maps = case(dim, heads, bias, (2, 16, 8))
    inputs = [*maps, *layer.parameters()]
    right = gradients(layer(*maps), inputs)
    with torch.autocast('cpu', torch.bfloat16):
        ours, theirs = fused(layer, *maps), layer(*maps)
    assert ours.dtype == theirs.dtype
    for one, other, best in zip(
        gradients(ours, inputs), gradients(theirs, inputs), right, strict=True
    ):
        assert (one - best).norm() <= 2 * (other - best).norm() + 0.01 * best.norm()


@CROSS
def test_cross_attention_can_be_differentiated_again(dim, heads, bias):
    layer, maps = case(dim, heads, bias, (1, 5, 4))
    found = []
    for answer in (fused(layer, *maps), layer(*maps)):
        first = torch.autograd.grad(answer.square().sum(), maps, create_graph=True)
        total = sum(one.square().sum() for one in first)
        found.append(torch.autograd.grad(total, [*maps, *layer.parameters()]))
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-3 * other.abs().max() + 1e-4


def test_a_query_of_zeros_gets_no_gradient():
    """An empty band has no direction, and no infinite gradient."""
    layer, (query, source) = case(48, 1, False)
    answer = fused(layer, torch.zeros_like(query).requires_grad_(), source)
    of_q, of_source = torch.autograd.grad(answer.sum(), [layer.q.weight, source])
    assert not of_q.any() and of_source.isfinite().all()


def test_norms_by_head_are_computed_as_a_whole():
    layer = TransposedCrossAttention(24, 4, query_norm='head')
    with fused_on('cpu', learns=True):
        answer = layer(torch.randn(1, 24, 5, 4), torch.randn(1, 24, 5, 4))
    assert type(answer.grad_fn).__name__ != '_FusedCrossBackward'
