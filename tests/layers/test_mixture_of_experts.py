from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.top_k import top_k_weights
from irbox.structures import Routing

COMBINES = ['sum', 'logexp']


class Perceptron(nn.Module):
    """An expert of the two published systems' kind."""

    pointwise = True

    def __init__(self, dim=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, 9), nn.GELU(), nn.Linear(9, dim))

    def forward(self, x):
        return self.layers(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Whole(Perceptron):
    """The same, without saying that it treats each pixel alone."""

    pointwise = False


def routing(scores, top_k=2, normalize='selected'):
    weights = top_k_weights(scores, top_k, normalize)
    return Routing(weights=weights, load=(weights > 0).sum((0, 2, 3)).float())


def mixtures(combine, count=4):
    """The sparse and the dense mixture of the same experts."""
    experts = [Perceptron() for _ in range(count)]
    dense = [Whole() for _ in range(count)]
    for one, other in zip(experts, dense, strict=True):
        other.load_state_dict(one.state_dict())
    return MixtureOfExperts(experts, combine), MixtureOfExperts(dense, combine)


def reference(mixture, x, weights):
    """What is printed in the docstring, with no care for speed or range."""
    answers = torch.stack([expert(x.double()) for expert in mixture.double().experts], dim=1)
    weights = weights.double().unsqueeze(2)
    if mixture.combine == 'sum':
        return (weights * answers).sum(1)
    return (weights * answers.exp()).sum(1).log()


@pytest.mark.parametrize('combine', COMBINES)
@pytest.mark.parametrize('way', [0, 1], ids=['sparse', 'dense'])
@pytest.mark.parametrize('top_k', [1, 2, 4])
def test_equals_the_formula(combine, way, top_k):
    mixture = mixtures(combine)[way]
    x, choice = torch.randn(2, 6, 5, 7), routing(torch.randn(2, 4, 5, 7), top_k)
    ours = mixture(x, choice)
    assert ours.shape == x.shape
    wanted = reference(mixture, x, choice.weights).float()
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('combine', COMBINES)
@pytest.mark.parametrize('normalize', ['selected', 'printed'])
def test_sparse_equals_dense_with_gradients(combine, normalize):
    sparse, dense = mixtures(combine)
    x = torch.randn(2, 6, 3, 5, requires_grad=True)
    scores = torch.randn(2, 4, 3, 5, requires_grad=True)
    factors = torch.randn(2, 6, 3, 5)
    results = []
    for mixture in (sparse, dense):
        out = mixture(x, routing(scores, 2, normalize))
        inputs = [x, scores, *mixture.parameters()]
        results.append([out, *torch.autograd.grad((out * factors).sum(), inputs)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('combine', COMBINES)
def test_an_expert_that_nobody_chose_gets_a_gradient_of_zero(combine):
    mixture = mixtures(combine)[0]
    scores = torch.randn(1, 4, 3, 3)
    scores[:, 2] = -100
    mixture(torch.randn(1, 6, 3, 3), routing(scores)).sum().backward()
    for weight in mixture.experts[2].parameters():
        assert weight.grad is not None and not weight.grad.any()
    assert all(weight.grad.any() for weight in mixture.experts[0].parameters())


@pytest.mark.parametrize('way', [0, 1], ids=['sparse', 'dense'])
def test_logexp_with_weights_that_are_zero_has_finite_gradients(way):
    mixture = mixtures('logexp')[way]
    # A leaf: with top-k in front, its backward would hide what arrives at the zeros.
    weights = torch.tensor([0.25, 0.0, 0.75, 0.0]).view(1, 4, 1, 1).requires_grad_()
    mixture(torch.randn(1, 6, 1, 1), Routing(weights, weights.sum((0, 2, 3)))).sum().backward()
    assert weights.grad.isfinite().all()


@pytest.mark.parametrize('way', [0, 1], ids=['sparse', 'dense'])
@pytest.mark.parametrize('level', [-2000.0, 2000.0])
def test_logexp_neither_overflows_nor_vanishes(way, level):
    mixture = mixtures('logexp')[way]
    for expert in mixture.experts:
        nn.init.constant_(expert.layers[2].bias, level)
    out = mixture(torch.randn(1, 6, 2, 2), routing(torch.randn(1, 4, 2, 2)))
    assert (out - level).abs().max() < 5  # log sum w exp(E) lies between the answers
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in mixture.parameters() if p.grad is not None)


@pytest.mark.parametrize('way', [0, 1], ids=['sparse', 'dense'])
@pytest.mark.parametrize('loudest', range(4))
def test_logexp_bears_answers_that_are_far_apart(way, loudest):
    mixture = mixtures('logexp')[way]
    for number, expert in enumerate(mixture.experts):
        nn.init.constant_(expert.layers[2].bias, 200.0 if number == loudest else -200.0)
    x, choice = torch.randn(1, 6, 3, 3), routing(torch.randn(1, 4, 3, 3), 4)
    out = mixture(x, choice)
    wanted = mixture.experts[loudest](x) + choice.weights[:, loudest : loudest + 1].log()
    torch.testing.assert_close(out, wanted)  # the others are below the last digit
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in mixture.parameters())


@pytest.mark.parametrize('combine', COMBINES)
@pytest.mark.parametrize('way', [0, 1], ids=['sparse', 'dense'])
def test_the_shared_expert_adds_its_weighted_answer_everywhere(combine, way):
    mixture = mixtures(combine)[way]
    x, choice = torch.randn(2, 6, 5, 7), routing(torch.randn(2, 4, 5, 7))
    alone = mixture(x, choice)
    mixture.shared = Perceptron()
    torch.testing.assert_close(mixture(x, choice), alone + mixture.shared(x))
    shared = torch.rand(2, 1, 5, 7)
    weighed = mixture(x, Routing(choice.weights, choice.load, shared=shared))
    torch.testing.assert_close(weighed, alone + shared * mixture.shared(x))


def test_a_wide_shared_expert_leaves_the_others_sparse():
    mixture = MixtureOfExperts([Perceptron(), Perceptron()], shared=Whole())
    assert mixture.pointwise
    assert len(list(mixture.shared.parameters())) == 4


def test_one_wide_expert_makes_the_mixture_dense():
    assert not MixtureOfExperts([Perceptron(), Whole()]).pointwise


def test_keeps_the_dtype_of_the_map():
    mixture = mixtures('logexp')[0]
    x = torch.randn(1, 6, 2, 2).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        assert mixture(x, routing(torch.randn(1, 4, 2, 2))).dtype == torch.bfloat16


def test_compiles_into_one_graph():
    mixture = mixtures('sum')[0]
    x, choice = torch.randn(1, 6, 3, 3), routing(torch.randn(1, 4, 3, 3))
    compiled = torch.compile(mixture, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(x, choice), mixture(x, choice), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('number', [2, 6])
def test_all_experts_are_gathered_at_once(number):
    found = Counter()

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            found[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    x, weights = torch.randn(1, 8, 4, 4), torch.rand(1, number, 4, 4)
    mixture = MixtureOfExperts([Perceptron(8) for _ in range(number)])
    with Counting():
        mixture(x, Routing(weights, torch.ones(number)))
    # Each makes a program wait for its device.
    assert found['nonzero'] == 1
    assert found['index_select'] == 1
