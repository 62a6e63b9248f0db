"""The kernels of attention's small matrices beside torch's operators."""

import pytest
import torch

from irbox.native import torch_twins as twins
from irbox.native.grouped import add_grouped_outer
from irbox.native.matrices import attention_matrix, attention_matrix_gradient


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def drawn(batch, heads, size, made):
    torch.manual_seed(0)
    both = torch.randn(batch, 2, heads, size, 40)
    product = both[:, 0] @ both[:, 1].transpose(-1, -2)
    squares = both.square().sum(-1).flatten(1)
    kernel = torch.randn(made, heads * size) if made else None
    return product, squares, 3 * torch.randn(heads, 1, 1), kernel


def assert_near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().amax() <= 2e-5 * expected.abs().amax() + 1e-7


@pytest.mark.parametrize('sizes', [(1, 1, 16, 16), (2, 4, 8, 32), (3, 2, 24, 0), (2, 1, 48, 96)])
def test_matrices_and_gradients_are_those_of_autograd(kernels, sizes):
    given = drawn(*sizes)
    inputs = [None if one is None else one.double().requires_grad_() for one in given]
    expected = twins.attention_matrix(*inputs)
    grad = torch.randn(expected.shape)
    there = [one for one in inputs if one is not None]
    gradients = torch.autograd.grad(expected, there, grad.double())
    assert_near(attention_matrix(kernels, *given), expected)
    found = attention_matrix_gradient(kernels, *given, grad)
    again = attention_matrix_gradient(kernels, *given, grad)
    written = twins.attention_matrix_gradient(*given, grad)
    assert_near(found[0], expected)
    for one, same, twin, other in zip(found[1:], again[1:], written, gradients, strict=False):
        assert_near(one, other)
        assert_near(twin, other)
        assert torch.equal(one, same)
    assert (found[4] is None) == (given[3] is None)


def test_a_channel_of_zeros_has_no_direction(kernels):
    product, squares, temperature, kernel = drawn(2, 2, 16, 32)
    squares[:, 3] = 0
    product[:, 0, 3] = 0
    given = product, squares, temperature, kernel
    assert_near(attention_matrix(kernels, *given), twins.attention_matrix(*given))
    found = attention_matrix_gradient(kernels, *given, torch.randn(2, 32, 32))
    assert not found[2][:, 3].any() and not found[1][:, 0, 3].any()
    assert all(one.isfinite().all() for one in found)


def test_what_is_no_number_is_seen(kernels):
    product, *rest = drawn(1, 1, 16, 16)
    product[0, 0, 2, 5] = torch.nan
    assert attention_matrix(kernels, product, *rest).isnan().any()


@pytest.mark.parametrize('sizes', [(1, 1, 8, 16), (2, 3, 16, 16), (3, 1, 32, 96)])
@pytest.mark.parametrize('count', [1, 150])
def test_grouped_outer_products_in_parts_of_wider_maps(kernels, sizes, count):
    images, groups, given, made = sizes
    left = torch.randn(images, count, 5 + groups * given)[..., 5:]
    right = torch.randn(images, count, 2 * groups * made)[..., : groups * made]
    sums = torch.randn(sizes)
    apart = (one.unflatten(2, (groups, -1)).double() for one in (left, right))
    expected = sums + torch.einsum('bpgm,bpgn->bgmn', *apart)
    add_grouped_outer(kernels, left, right, sums)
    assert_near(sums, expected)
