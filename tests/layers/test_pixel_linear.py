"""Products of pixels, by kernels where there are some, beside torch's operators."""

from __future__ import annotations

import pytest
import torch

from irbox.layers import pixel_linear
from irbox.layers.pixel_linear import PixelLinear, add_outer_product
from irbox.native import library

BOUND = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 2**-6}


@pytest.fixture(params=['kernels', 'torch'], autouse=True)
def path(request, monkeypatch):
    monkeypatch.setattr(pixel_linear, 'LEAST_PRODUCTS', 0)
    if request.param == 'torch':
        monkeypatch.setenv(library.SWITCH, '0')


def near(found, expected):
    assert found.shape == expected.shape
    difference = (found.double() - expected).abs().amax()
    return difference <= BOUND[found.dtype] * expected.abs().amax()


@pytest.mark.parametrize('dtype', list(BOUND), ids=str)
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('after', ['', 'squash', 'plus', 'squash times', 'squash times plus'])
# Whole vectors, and what is none.
@pytest.mark.parametrize('size', [(32, 48), (33, 48), (32, 20)], ids=str)
def test_what_follows_the_product(size, after, bias, dtype):
    given, made = size
    weight, pixels = torch.randn(made, given).to(dtype), torch.randn(2, 5, 7, given).to(dtype)
    shift = torch.randn(made).to(dtype) if bias else None
    maps = {
        name: torch.randn(2, 5, 7, made).to(dtype) if name in after else None
        for name in ('times', 'plus')
    }
    expected = pixels.double() @ weight.double().t()
    expected = expected if shift is None else expected + shift.double()
    expected = expected.sigmoid() if 'squash' in after else expected
    expected = expected if maps['times'] is None else expected * maps['times'].double()
    expected = expected if maps['plus'] is None else expected + maps['plus'].double()
    linear, found = PixelLinear(weight, shift), torch.full((2, 5, 7, made), torch.nan, dtype=dtype)
    linear(pixels, found, squash='squash' in after, **maps)
    assert near(found, expected)
    for place in ('times', 'plus'):
        if maps[place] is not None:  # in place
            copies = {**maps, place: maps[place].clone()}
            linear(pixels, copies[place], squash='squash' in after, **copies)
            assert near(copies[place], expected)


@pytest.mark.parametrize('dtype', list(BOUND), ids=str)
@pytest.mark.parametrize('squash', [False, True])
@pytest.mark.parametrize('size', [(32, 48), (32, 20)], ids=str)
def test_what_is_kept_and_added_by_channel(size, squash, dtype):
    given, made = size
    weight, pixels = torch.randn(made, given).to(dtype), torch.randn(70, given).to(dtype)
    times, plus = (torch.randn(70, made).to(dtype) for _ in range(2))
    factor = torch.randn(made).to(dtype)
    opened = pixels.double() @ weight.double().t()
    opened = opened.sigmoid() if squash else opened
    expected = opened * times.double() + plus.double() * factor.double()
    found, kept = torch.empty(70, made, dtype=dtype), torch.empty(70, made, dtype=dtype)
    maps = {'times': times, 'plus': plus, 'factor': factor}
    PixelLinear(weight)(pixels, found, squash=squash, opened=kept, **maps)
    assert near(found, expected) and near(kept, opened)


@pytest.mark.parametrize('dtype', list(BOUND), ids=str)
@pytest.mark.parametrize('size', [(32, 48), (32, 20)], ids=str)
def test_the_gradient_of_what_a_sigmoid_gates(size, dtype):
    given, made = size
    weight, pixels = torch.randn(made, given).to(dtype), torch.randn(2, 35, given).to(dtype)
    value = torch.randn(2, 35, made).to(dtype)
    opened, of_value = torch.randn_like(value).sigmoid(), torch.empty_like(value)
    gated, of_given = PixelLinear(weight).open_gradient(pixels, opened, value, of_value)
    grad, by, other = (pixels.double() @ weight.double().t()), opened.double(), value.double()
    assert near(gated, by * other) and near(of_value, grad * by)
    assert near(of_given, grad * other * by * (1 - by))


def test_pixels_apart_and_a_wider_answer():
    weight = torch.randn(16, 32)
    wide = torch.randn(3, 5, 64)
    found = torch.empty(3, 5, 16)
    PixelLinear(weight)(wide[..., :32], found)
    assert near(found, wide[..., :32].double() @ weight.double().t())
    half, base = wide[..., :32].bfloat16().contiguous(), torch.randn(3, 5, 16)
    PixelLinear(weight.bfloat16())(half, found, plus=base)
    expected = base.double() + half.double() @ weight.bfloat16().double().t()
    difference = (found.double() - expected).abs().amax()
    assert found.dtype == torch.float32 and difference <= 2**-6 * expected.abs().amax()


@pytest.mark.parametrize('dtype', list(BOUND), ids=str)
@pytest.mark.parametrize('size', [(32, 48), (20, 48), (32, 7)], ids=str)
def test_sums_over_pixels(size, dtype):
    of_left, of_right = size
    both = torch.randn(90, of_left + of_right).to(dtype)
    left, right = both[:, :of_left], both[:, of_left:]
    start = torch.randn(of_left, of_right).to(torch.promote_types(dtype, torch.float32))
    sums, totals = start.clone(), torch.ones(of_left, dtype=start.dtype)
    add_outer_product(sums, left, right, totals)
    whole = 1 + left.double().sum(0)
    assert (totals.double() - whole).abs().amax() <= BOUND[start.dtype] * whole.abs().amax()
    expected = start.double() + left.double().t() @ right.double()
    bound = BOUND[dtype] * expected.abs().amax()
    assert (sums.double() - expected).abs().amax() <= bound


@pytest.mark.parametrize('size', [(32, 48), (20, 10)], ids=str)
def test_columns_of_a_wider_map(size):
    given, made = size
    weight, both = torch.randn(made, given), torch.randn(70, given + made + 5)
    pixels, out = both[:, :given], both[:, given : given + made]
    expected = out.double() + pixels.double() @ weight.double().t()
    beside = both[:, given + made :].clone()
    PixelLinear(weight)(pixels, out, plus=out)
    assert near(out, expected)
    assert torch.equal(both[:, given + made :], beside)


def test_few_products_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(pixel_linear, 'LEAST_PRODUCTS', 70 * 32 * 48 + 1)

    def refused(*_, **__):
        raise AssertionError('a kernel was called')

    monkeypatch.setattr(pixel_linear.products, 'product', refused)
    pixels, found = torch.randn(70, 32), torch.empty(70, 48)
    weight = torch.randn(48, 32)
    PixelLinear(weight)(pixels, found)
    assert near(found, pixels.double() @ weight.double().t())
