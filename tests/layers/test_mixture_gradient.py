"""Mixtures that learn by kernels beside the same, expert by expert."""

import copy

import pytest
import torch

from irbox.experts import MLPExpert
from irbox.layers import mixture_gradient
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.top_k import top_k_weights
from irbox.native.library import native
from irbox.structures import Routing


@pytest.fixture(autouse=True)
def kernels():
    if native() is None:
        pytest.skip('no kernels on this machine')


def case(dim=16, size=(5, 7), shared=False, count=4):
    torch.manual_seed(0)
    experts = [MLPExpert(dim) for _ in range(count)]
    mixture = MixtureOfExperts(experts, shared=MLPExpert(dim) if shared else None)
    x = torch.randn(2, dim, *size).contiguous(memory_format=torch.channels_last)
    return mixture, x.requires_grad_(), torch.randn(2, count, *size, requires_grad=True)


def routing(scores):
    weights = top_k_weights(scores, 2)
    return Routing(weights, weights.sum((0, 2, 3)))


def gradients(mixture, x, scores, adds):
    choice = routing(scores)
    answer = mixture.add_to(x, choice) if adds else mixture(x, choice)
    weight = torch.linspace(-1, 1, answer.numel(), dtype=x.dtype).view(answer.shape)
    inputs = [x, scores, *mixture.parameters()]
    return [answer, *torch.autograd.grad(answer, inputs, weight)]


@pytest.mark.parametrize('adds', [False, True])
@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('dim', [16, 64])
def test_gradients_by_kernels(adds, shared, dim, monkeypatch):
    """Beside those of the mixture in float64, which no kernel computes."""
    mixture, x, scores = case(dim, shared=shared)
    asked, kernel = [], mixture_gradient.operators.experts_gradient
    monkeypatch.setattr(
        mixture_gradient.operators, 'experts_gradient', lambda *a: asked.append(1) or kernel(*a)
    )
    found = gradients(mixture, x, scores, adds)
    assert asked == [1]
    doubled = [one.detach().double().requires_grad_() for one in (x, scores)]
    whole = gradients(copy.deepcopy(mixture).double(), *doubled, adds)
    assert asked == [1]
    for one, other in zip(found, whole, strict=True):
        assert (one - other).abs().max() <= 2e-5 * other.abs().max()


def test_they_can_be_differentiated_again():
    found = []
    for kind in (torch.float32, torch.float64):
        mixture, x, scores = case()
        x, scores = (one.detach().to(kind).requires_grad_() for one in (x, scores))
        mixture = mixture.to(kind)
        answer = mixture.add_to(x, routing(scores))
        (first,) = torch.autograd.grad(answer.square().sum(), x, create_graph=True)
        inputs = [x, scores, *mixture.parameters()]
        found.append(torch.autograd.grad(first.square().sum(), inputs, allow_unused=True))
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one - other).abs().max() <= 1e-4 * other.abs().max()


def test_who_watches_an_expert_sees_it(monkeypatch):
    mixture, x, scores = case()
    monkeypatch.setattr(mixture_gradient.operators, 'experts', None)
    seen = []
    mixture.experts[1].register_forward_hook(lambda *_: seen.append(1))
    mixture(x, routing(scores))
    assert seen


@pytest.mark.parametrize('adds', [False, True])
@pytest.mark.parametrize('dim', [16, 48])
def test_logexp_by_kernels_where_nothing_learns(adds, dim, monkeypatch):
    """Beside the mixture in float64, which no kernel computes."""
    mixture, x, scores = case(dim, size=(23, 31))
    mixture.combine = 'logexp'
    asked, kernel = [], mixture_gradient.operators.experts
    monkeypatch.setattr(
        mixture_gradient.operators, 'experts', lambda *a: asked.append(1) or kernel(*a)
    )
    with torch.no_grad():
        choice = routing(scores)
        found = mixture.add_to(x, choice) if adds else mixture(x, choice)
        assert asked == [1]
        doubled, exact = copy.deepcopy(mixture).double(), x.double()
        answer = doubled(exact, routing(scores.double()))
    expected = exact + answer if adds else answer
    assert asked == [1] and found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize('loudest', [0, 1])
def test_logexp_by_kernels_bears_answers_that_are_far_apart(loudest):
    """One expert says a thousand more than the other, whichever comes first."""
    mixture, x, _ = case(count=2)
    mixture.combine = 'logexp'
    with torch.no_grad():
        mixture.experts[loudest].fc2.bias += 1000
        found = mixture(x, routing(torch.zeros(2, 2, 5, 7)))
        expected = mixture.experts[loudest](x) + torch.tensor(0.5).log()
    torch.testing.assert_close(found, expected)


def test_logexp_that_learns_and_odd_widths_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(mixture_gradient.operators, 'experts', None)
    mixture, x, scores = case()
    mixture.combine = 'logexp'
    mixture(x, routing(scores))
    mixture, x, scores = case(dim=12)
    mixture(x, routing(scores))


def test_what_is_frozen_gets_no_gradient():
    mixture, x, scores = case()
    mixture.experts[0].requires_grad_(False)
    mixture(x, routing(scores)).sum().backward()
    assert all(one.grad is None for one in mixture.experts[0].parameters())
    assert all(one.grad is not None for one in mixture.experts[1].parameters())
