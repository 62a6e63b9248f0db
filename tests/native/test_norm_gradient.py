"""The kernel of a norm's gradient beside torch's own."""

import pytest
import torch

from irbox.layers.norm import LayerNorm2d
from irbox.native import library
from irbox.native import torch_twins as twins
from irbox.native.norm_gradient import normalize_gradient

BIAS = pytest.mark.parametrize('bias', [False, True])


@pytest.fixture(scope='module')
def kernels():
    found = library.native()
    if found is None:
        pytest.skip('no kernels on this machine')
    return found


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def drawn(channels, bias, count=31):
    """A norm, pixels far from zero, the gradient of the answer and what is there already."""
    norm = LayerNorm2d(channels, bias)
    torch.nn.init.normal_(norm.weight)
    return norm, torch.randn(count, channels) + 4, *torch.randn(2, count, channels)


def assert_near(found, expected, bound=1e-5):
    assert (found - expected).abs().amax() <= bound * expected.abs().amax()


@BIAS
@pytest.mark.parametrize('channels', [16, 48, 384])
@pytest.mark.parametrize('count', [1, 31])
def test_it_is_that_of_autograd(kernels, channels, bias, count):
    norm, pixels, grad, before = drawn(channels, bias, count)
    of_pixels, weight = before.clone(), norm.weight.detach().clone()
    found = normalize_gradient(kernels, pixels, weight, bias, norm.eps, grad, of_pixels)
    norm, exact = norm.double(), pixels.double().requires_grad_()
    expected = torch.autograd.grad(
        norm.normalize(exact), [exact, *norm.parameters()], grad.double()
    )
    assert_near(of_pixels - before, expected[0], 1e-5 + 1e-6 * before.abs().amax())
    for one, other in zip(found, expected[1:], strict=False):
        assert_near(one, other)
    assert_near(found[1], grad.double().sum(0))


@BIAS
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
def test_it_equals_its_twin_with_the_same_bits_each_time(kernels, bias, dtype):
    norm, pixels, grad, before = drawn(32, bias)
    given = pixels, norm.weight.detach(), bias, norm.eps, grad.to(dtype)
    ours, again, theirs = before.clone(), before.clone(), before.clone()
    found = normalize_gradient(kernels, *given, ours)
    assert_near(found, twins.normalize_gradient(*given, theirs))
    assert_near(ours, theirs)
    assert torch.equal(found, normalize_gradient(kernels, *given, again))
    assert torch.equal(ours, again)
    elsewhere = torch.full_like(before, torch.nan)
    normalize_gradient(kernels, *given, elsewhere, before)
    assert torch.equal(ours, elsewhere)


def test_pixels_of_one_value_have_no_deviation_to_learn_from(kernels):
    """The variance is zero; what is added to it decides."""
    pixels, weight, grad = torch.full((5, 16), 3.0), torch.ones(16), torch.randn(5, 16)
    of_pixels = torch.zeros_like(pixels)
    of_weight = normalize_gradient(kernels, pixels, weight, True, 1e-5, grad, of_pixels)[0]
    assert_near(of_pixels, (grad - grad.mean(1, keepdim=True)) * 1e-5**-0.5)
    assert not of_weight.any()
