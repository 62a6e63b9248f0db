import copy

import pytest
import torch

from irbox.benchmark.launches import CountLaunches
from irbox.layers.depthwise_conv import DepthwiseConv, convolve_depthwise
from irbox.layers.fused.switch import fused_on


def test_a_channel_sees_its_own_neighbours_alone():
    x = torch.zeros(1, 3, 5, 5)
    x[0, 1, 2, 2] = 1
    reached = DepthwiseConv(3)(x)[0] != 0
    assert not reached[[0, 2]].any()
    assert reached[1, 1:4, 1:4].all() and reached[1].sum() == 9


def test_separable_mixes_the_channels_afterwards():
    layer, x = DepthwiseConv(4, pointwise=True, bias=True), torch.randn(2, 4, 5, 7)
    spread, mix = layer
    wanted = torch.einsum('bchw,oc->bohw', spread(x), mix.weight[..., 0, 0])
    torch.testing.assert_close(layer(x), wanted + mix.bias[:, None, None])


def test_by_a_fused_kernel_where_nothing_learns():
    x = torch.randn(2, 24, 5, 7)
    for layer in (DepthwiseConv(24), DepthwiseConv(24, pointwise=True, bias=True)):
        with torch.no_grad():
            plain = layer(x)
            with fused_on('cpu'), CountLaunches() as counting:
                fused = layer(x)
                with torch.autocast('cpu', torch.bfloat16):
                    half = layer(x)
        assert counting.found.by_name['depthwise'] == 2
        torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), plain, atol=0.05, rtol=0.02)


CONVOLUTIONS = pytest.mark.parametrize(('dim', 'bias'), [(48, False), (21, True)])


def learning(dim, bias, size=(2, 7, 9)):
    """A convolution and a map, and how to convolve it by fused kernels."""
    torch.manual_seed(0)
    conv, (batch, *sides) = DepthwiseConv(dim, bias=bias)[0], size

    def fused(x):
        with fused_on('cpu', learns=True):
            answer = convolve_depthwise(conv, x)
        assert type(answer.grad_fn).__name__ == '_FusedDepthwiseBackward'
        return answer

    return conv, torch.randn(batch, dim, *sides, requires_grad=True), fused


@CONVOLUTIONS
@pytest.mark.parametrize('size', [(2, 7, 9), (1, 1, 1)], ids=str)
def test_learns_by_fused_kernels(dim, bias, size):
    conv, x, fused = learning(dim, bias, size)
    found, grad = fused(x), torch.randn(x.shape)
    exact = copy.deepcopy(conv).double()
    right = x.detach().double().requires_grad_()
    whole = exact(right)
    torch.testing.assert_close(found.double(), whole, atol=1e-5, rtol=1e-5)
    ours = torch.autograd.grad(found, [x, *conv.parameters()], grad)
    known = torch.autograd.grad(whole, [right, *exact.parameters()], grad.double())
    for one, best in zip(ours, known, strict=True):
        assert one.shape == best.shape and one.dtype == torch.float32
        assert (one - best).abs().max() <= 2e-5 * best.abs().max() + 1e-6


@CONVOLUTIONS
def test_learns_in_bfloat16_as_torch_does(dim, bias):
    conv, x, fused = learning(dim, bias)
    grad, inputs = torch.randn(x.shape).bfloat16(), [x, *conv.parameters()]
    right = torch.autograd.grad(conv(x), inputs, grad.float())
    with torch.autocast('cpu', torch.bfloat16):
        answers = fused(x), conv(x)
    ours, theirs = (torch.autograd.grad(answer, inputs, grad) for answer in answers)
    for one, other, best in zip(ours, theirs, right, strict=True):
        assert one.dtype == other.dtype
        assert (one - best).norm() <= 2 * (other - best).norm() + 0.01 * best.norm()


@CONVOLUTIONS
def test_can_be_differentiated_again(dim, bias):
    conv, x, fused = learning(dim, bias, (1, 5, 4))
    found = []
    for answer in (fused(x), conv(x)):
        (first,) = torch.autograd.grad(answer.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *conv.parameters()]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_other_convolutions_are_torchs():
    x = torch.randn(1, 8, 6, 6)
    for conv in (
        torch.nn.Conv2d(8, 8, 5, padding=2, groups=8),
        torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
    ):
        with fused_on('cpu', learns=True):
            assert torch.equal(convolve_depthwise(conv, x), conv(x))


def test_weights():
    def count(*options):
        return sum(p.numel() for p in DepthwiseConv(10, *options).parameters())

    assert count() == 90
    assert count(True) == 190
    assert count(True, True) == 210
