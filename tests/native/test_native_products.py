"""The kernels of products beside torch's operators."""

from __future__ import annotations

import pytest
import torch

from irbox.native import products
from irbox.native import torch_twins as twins

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-6}
DTYPES = pytest.mark.parametrize('dtype', list(TOLERANCE), ids=str)


def assert_near(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    difference = (found.float() - expected.float()).abs().amax()
    assert difference <= TOLERANCE[found.dtype] * expected.float().abs().amax()


@pytest.mark.usefixtures('threads')
@DTYPES
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('squash', [False, True])
@pytest.mark.parametrize('after', [False, True])
@pytest.mark.parametrize('shape', [(1, 2, 16), (8, 30, 48), (67, 96, 112), (130, 18, 64)], ids=str)
def test_a_product(kernels, shape, after, squash, bias, dtype):
    taken = products.taken_at_once(kernels, dtype)
    if not taken:
        pytest.skip('torch multiplies faster on this processor')
    count, given, made = shape
    pixels, weight = (torch.randn(one, given).to(dtype) for one in (count, made))
    shift = torch.randn(made) if bias else None
    times, plus = ((torch.randn(count, made).to(dtype) if after else None) for _ in range(2))
    factor = torch.randn(made) if after and squash else None
    expected, expected_opened = twins.product(pixels, weight, shift, squash, times, plus, factor)
    asked = kernels, pixels, products.pack(weight, taken), shift
    found, opened = (torch.full((count, made), torch.nan, dtype=dtype) for _ in range(2))
    how = {'squash': squash, 'factor': factor}
    products.product(*asked, found, opened=opened, times=times, plus=plus, **how)
    assert_near(found, expected)
    assert_near(opened, expected_opened)
    for place in ('times', 'plus') if after else ():  # in place, and the same bits each time
        maps = {'times': times.clone(), 'plus': plus.clone()}
        products.product(*asked, maps[place], **how, **maps)
        assert torch.equal(maps[place], found)


@pytest.mark.usefixtures('threads')
@DTYPES
@pytest.mark.parametrize('shape', [(1, 2, 16), (67, 96, 112)], ids=str)
def test_the_gradient_of_what_a_sigmoid_gates(kernels, shape, dtype):
    taken = products.taken_at_once(kernels, dtype)
    if not taken:
        pytest.skip('torch multiplies faster on this processor')
    count, given, made = shape
    pixels, weight = (torch.randn(one, given).to(dtype) for one in (count, made))
    opened, value = torch.rand(count, made).to(dtype), torch.randn(count, made).to(dtype)
    maps = products.pack(weight, taken), opened, value
    of_value, again = torch.empty_like(value), torch.empty_like(value)
    found = *products.open_gradient(kernels, pixels, *maps, of_value), of_value
    for one, other in zip(found, twins.open_gradient(pixels, weight, *maps[1:]), strict=True):
        assert_near(one, other)
    same = *products.open_gradient(kernels, pixels, *maps, again), again
    assert all(torch.equal(*pair) for pair in zip(found, same, strict=True))


@pytest.mark.usefixtures('threads')
@pytest.mark.parametrize('apart', [3, 256], ids=['as they lie', 'gathered'])
@pytest.mark.parametrize(
    'shape', [(1, 8, 16), (64, 16, 48), (150, 48, 112), (70, 208, 208)], ids=str
)
def test_an_outer_product(kernels, shape, apart):
    """Of rows that are read where they lie; of those whose step is a power of two; of many sums."""
    if not products.taken_at_once(kernels, torch.float32):
        pytest.skip('torch multiplies faster on this processor')
    count, of_left, of_right = shape
    step = of_left + of_right + apart
    step -= step % apart
    both, start = torch.randn(count, step), torch.randn(of_left, of_right)
    left, right = both[:, :of_left], both[:, of_left : of_left + of_right]
    found, again, totals = start.clone(), start.clone(), torch.ones(of_left)
    products.add_outer(kernels, left, right, found, totals)
    assert_near(totals, (1 + left.double().sum(0)).float())
    assert_near(found, (start.double() + left.double().t() @ right.double()).float())
    products.add_outer(kernels, left, right, again)
    assert torch.equal(found, again), 'the same bits each time'
