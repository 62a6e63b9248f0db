"""The kernels of routed perceptrons beside torch's operators."""

import pytest
import torch

from irbox.native import expert_operators as operators
from irbox.native import torch_twins as twins
from irbox.native.expert_operators import Perceptrons


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def drawn(count, channels, hidden, number=4, top_k=2):
    """Pixels, weights of which ``top_k`` are not zero, perceptrons and a gradient."""
    torch.manual_seed(0)
    scores = torch.randn(count, number)
    kept, index = scores.topk(top_k, dim=1)
    weights = torch.zeros_like(scores).scatter(1, index, kept.softmax(1))
    own = Perceptrons(
        torch.randn(number, hidden, channels), torch.randn(number, hidden),
        torch.randn(number, channels, hidden), torch.randn(number, channels),
    )  # fmt: skip
    return torch.randn(count, channels), weights, own, torch.randn(count, channels)


def assert_near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().amax() <= 2e-5 * expected.abs().amax()


SIZES = pytest.mark.parametrize(
    ('count', 'channels', 'hidden'), [(1, 16, 16), (37, 48, 96), (1500, 16, 48), (130, 64, 176)]
)


@SIZES
@pytest.mark.parametrize('adds', [False, True])
def test_answers_and_gradients_equal_the_twins_with_the_same_bits(
    kernels, count, channels, hidden, adds
):
    pixels, weights, own, grad = drawn(count, channels, hidden)
    given = pixels, weights, own, pixels if adds else None
    found = operators.experts(kernels, *given)
    assert_near(found, twins.experts(*given))
    assert torch.equal(found, operators.experts(kernels, *given))
    log = operators.experts(kernels, *given, log=True)
    assert_near(log, twins.experts(*given, log=True))
    assert torch.equal(log, operators.experts(kernels, *given, log=True))
    turned = own._replace(
        first=own.first.transpose(1, 2).contiguous().transpose(1, 2),
        second=own.second.transpose(1, 2).contiguous().transpose(1, 2),
    )
    assert torch.equal(found, operators.experts(kernels, pixels, weights, turned, given[3]))
    learned = pixels, weights, own, adds, grad
    *maps, of_own = operators.experts_gradient(kernels, *learned)
    *expected, of_twin = twins.experts_gradient(*learned)
    *again, of_again = operators.experts_gradient(kernels, *learned)
    for one, other, same in zip(
        (*maps, *of_own), (*expected, *of_twin), (*again, *of_again), strict=True
    ):
        assert_near(one, other)
        assert torch.equal(one, same)


def test_twins_are_what_autograd_gives():
    pixels, weights, own, grad = (one for one in drawn(9, 16, 16))
    inputs = [one.double().requires_grad_() for one in (pixels, weights, *own)]
    first, *rest = inputs
    answer = twins.experts(first, rest[0], Perceptrons(*rest[1:]), first)
    expected = torch.autograd.grad(answer, inputs, grad.double())
    doubled = Perceptrons(*(one.double() for one in own))
    *found, of_own = twins.experts_gradient(
        pixels.double(), weights.double(), doubled, True, grad.double()
    )
    asked = weights != 0
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1] * asked)
    for one, other in zip(of_own, expected[2:], strict=True):
        torch.testing.assert_close(one, other)


def test_a_perceptron_that_nobody_asks_learns_nothing(kernels):
    pixels, weights, own, grad = drawn(40, 16, 32)
    weights[:, 1] = 0
    of_own = operators.experts_gradient(kernels, pixels, weights, own, False, grad)[2]
    assert not any(one[1].any() for one in of_own)
    assert all(one[0].any() for one in of_own)
