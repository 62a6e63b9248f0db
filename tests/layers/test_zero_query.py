import copy

import pytest
import torch

from irbox.benchmark.launches import CountLaunches
from irbox.layers import strip_gradients
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.fused.define import NAMES
from irbox.layers.fused.switch import fused_on
from irbox.layers.zero_query import attend_by_zeros
from irbox.native.library import native


def layer(heads=2, bias=False):
    torch.manual_seed(1)
    made = TransposedCrossAttention(8, heads)
    if bias:
        made.q = torch.nn.Conv2d(8, 8, 1)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made.double()


@pytest.mark.parametrize('heads', [1, 2, 8])
@pytest.mark.parametrize('size', [(6, 5), (1, 1)])
def test_gives_what_the_layer_gives_and_its_gradients(heads, size):
    attention = layer(heads)
    source = torch.randn(2, 8, *size, dtype=torch.float64, requires_grad=True)
    query = torch.zeros(2, 8, *size, dtype=torch.float64)
    weight = torch.randn(2, 8, *size, dtype=torch.float64)
    found = []
    for compute in (attention, lambda *maps: attend_by_zeros(attention, *maps)):
        answer = compute(query, source)
        wanted = [source, *attention.parameters()]
        found.append([answer, *torch.autograd.grad((answer * weight).sum(), wanted)])
    for slow, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow)
    assert found[0][0].any()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_gives_it_in_evaluation_and_makes_no_query(dtype, monkeypatch):
    attention = layer().to(dtype)
    source = torch.randn(2, 8, 40, 30).to(dtype)
    query = torch.zeros_like(source)
    with torch.no_grad():
        slow = attention(query, source)
        monkeypatch.setattr(TransposedCrossAttention, '_in_strips', None)
        fast = attend_by_zeros(attention, query, source)
    close = {'atol': 1e-5, 'rtol': 1e-5} if dtype == torch.float32 else {'atol': 0.1, 'rtol': 0.05}
    torch.testing.assert_close(fast, slow, **close)


@pytest.mark.parametrize('bias', [False, True])
def test_three_launches_of_fused_kernels(bias):
    attention = layer().float()
    for one in (attention.kv, attention.kv_dwconv, attention.project_out) if bias else ():
        one.bias = torch.nn.Parameter(torch.randn(one.out_channels))
    source = torch.randn(2, 8, 9, 7)
    with torch.no_grad():
        slow = attention(torch.zeros_like(source), source)
        with fused_on('cpu'), CountLaunches() as counting:
            fast = attend_by_zeros(attention, torch.zeros_like(source), source)
    assert sum(counting.found.by_name[name] for name in NAMES) == 3
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)


def test_runs_in_half_precision_under_autocast():
    attention, source = layer().float(), torch.randn(1, 8, 20, 20)
    with torch.autocast('cpu', torch.bfloat16):
        fast = attend_by_zeros(attention, torch.zeros_like(source), source)
        slow = attention(torch.zeros_like(source), source)
    assert fast.dtype == slow.dtype == torch.bfloat16
    torch.testing.assert_close(fast, slow, atol=0.1, rtol=0.05)


@pytest.mark.parametrize('why', ['a bias', 'a hook'])
def test_the_whole_layer_runs_where_a_step_counts(why):
    attention = layer(bias=why == 'a bias')
    calls = []
    if why == 'a hook':
        attention.q.register_forward_hook(lambda *_: calls.append(1))
    source = torch.randn(1, 8, 6, 5, dtype=torch.float64)
    answer = attend_by_zeros(attention, torch.zeros_like(source), source)
    assert bool(calls) == (why == 'a hook')
    torch.testing.assert_close(answer, attention(torch.zeros_like(source), source))


def test_gradients_by_kernels(monkeypatch):
    """Beside those of the layer in float64, which no kernel computes."""
    if native() is None:
        pytest.skip('no kernels on this machine')
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0)
    torch.manual_seed(0)
    attention = TransposedCrossAttention(32, 4)
    for weight in attention.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    source, grad = torch.randn(2, 32, 7, 9), torch.randn(2, 32, 7, 9)
    found = []
    for kind in (torch.float32, torch.float64):
        layer = copy.deepcopy(attention).to(kind)
        given = source.to(kind).requires_grad_()
        answer = attend_by_zeros(layer, torch.zeros_like(given), given)
        assert ('MeanValues' in type(answer.grad_fn).__name__) == (kind == torch.float32)
        inputs = [given, *layer.parameters()]
        found.append([answer, *torch.autograd.grad(answer, inputs, grad.to(kind))])
        again = attend_by_zeros(layer, torch.zeros_like(given), given)
        (first,) = torch.autograd.grad(again.square().sum(), given, create_graph=True)
        found[-1] += torch.autograd.grad(first.square().sum(), inputs)
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-4 * other.abs().max()
