"""The compiled kernels beside torch's operators."""

from __future__ import annotations

import math

import pytest
import torch

from irbox.layers import strips
from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.norm import LayerNorm2d
from irbox.native import library, operators, products
from irbox.native import torch_twins as twins

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2**-6}
DTYPES = pytest.mark.parametrize('dtype', list(TOLERANCE), ids=str)
SIZES = pytest.mark.parametrize('size', [(1, 1), (1, 5), (4, 3), (3, 13), (2, 24)], ids=str)
MARGIN = pytest.mark.parametrize('margin', [False, True])
BIAS = pytest.mark.parametrize('bias', [False, True])


def assert_near(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    difference = (found.float() - expected.float()).abs().amax()
    assert difference <= TOLERANCE[found.dtype] * expected.float().abs().amax()


def drawn(size, margin, bias, dtype, channels=96):
    rows, width = size
    window = 2 * torch.randn(2, rows + 2 * margin, width, channels)
    # Taps are those of a layer that computes in this dtype.
    taps = torch.randn(9, channels).to(dtype).float()
    return window.to(dtype), taps, torch.randn(channels) if bias else None


@pytest.mark.usefixtures('threads')
@DTYPES
@SIZES
@MARGIN
@BIAS
def test_a_gate(kernels, size, margin, bias, dtype):
    given = *drawn(size, margin, bias, dtype), margin
    found = operators.gate(kernels, *given)
    assert found.shape == (2, *size, 48)
    assert_near(found, twins.gate(*given))
    assert torch.equal(found, operators.gate(kernels, *given)), 'the same bits each time'


@pytest.mark.usefixtures('threads')
@DTYPES
@SIZES
@MARGIN
@BIAS
@pytest.mark.parametrize('dim', [16, 48])
def test_queries_keys_and_values(kernels, dim, size, margin, bias, dtype):
    # 16 channels more than are asked for: what pads the map is passed over.
    given = *drawn(size, margin, bias, dtype, 3 * dim + 16), margin
    values, expected_values = (
        torch.full((2, *size, dim), torch.nan, dtype=dtype) for _ in range(2)
    )
    both, squares = operators.attend(kernels, *given, dim, values)
    expected, expected_squares = twins.attend(*given, dim, expected_values)
    assert both.shape == (2, *size, 2 * dim) and squares.shape == (2, 2 * dim)
    assert_near(both, expected)
    assert_near(squares, expected_squares)
    assert_near(values, expected_values)
    for wanted in (values, None):
        again, squares_again = operators.attend(kernels, *given, dim, wanted)
        assert torch.equal(again, both) and torch.equal(squares_again, squares)


@pytest.mark.usefixtures('threads')
@DTYPES
@SIZES
@MARGIN
@BIAS
def test_a_mask(kernels, size, margin, bias, dtype):
    # 48 of 64 channels.
    given = *drawn(size, margin, bias, dtype, 64), margin
    found, again, expected = (torch.full((2, *size, 48), torch.nan, dtype=dtype) for _ in range(3))
    operators.mask(kernels, *given, found)
    twins.mask(*given, expected)
    assert_near(found, expected)
    operators.mask(kernels, *given, again)
    assert torch.equal(found, again), 'the same bits each time'


@pytest.mark.usefixtures('threads')
@DTYPES
@SIZES
@MARGIN
@BIAS
def test_the_gradient_of_a_gate(kernels, size, margin, bias, dtype):
    given = *drawn(size, margin, bias, dtype), margin
    grad = torch.randn(2, *size, 48).to(dtype)
    found = operators.gate_gradient(kernels, *given, grad)
    for one, other in zip(found, twins.gate_gradient(*given, grad), strict=True):
        assert_near(one, other)
    again = operators.gate_gradient(kernels, *given, grad)
    assert all(torch.equal(*pair) for pair in zip(found, again, strict=True))


@pytest.mark.usefixtures('threads')
@DTYPES
@SIZES
@MARGIN
def test_the_gradient_of_a_depthwise_convolution(kernels, size, margin, dtype):
    window, weight, _ = drawn(size, margin, False, dtype, 48)
    given = window, weight, margin, torch.randn(2, *size, 48).to(dtype)
    found = operators.depthwise_gradient(kernels, *given)
    for one, other in zip(found, twins.depthwise_gradient(*given), strict=True):
        assert_near(one, other)
    again = operators.depthwise_gradient(kernels, *given)
    assert all(torch.equal(*pair) for pair in zip(found, again, strict=True))


@pytest.mark.parametrize('bias', [False, True])
def test_gradients_are_those_of_autograd(kernels, bias):
    """Beside torch's own gradient of the kernel's twin, in float64."""
    window, weight, shift = drawn((7, 9), False, bias, torch.float32, 32)
    grad = torch.randn(2, 7, 9, 16)
    found = operators.gate_gradient(kernels, window, weight, shift, False, grad)[1:]
    leaves = [one.double().requires_grad_() for one in (window, weight)]
    kernel = leaves[1].t().reshape(32, 1, 3, 3)
    start = torch.zeros(32) if shift is None else shift
    start = start.double().requires_grad_()
    wide = torch.nn.functional.conv2d(
        leaves[0].permute(0, 3, 1, 2), kernel, start, padding=1, groups=32
    )
    opened, value = wide.permute(0, 2, 3, 1).chunk(2, dim=-1)
    answer = torch.nn.functional.gelu(opened) * value
    expected = torch.autograd.grad(answer, [leaves[0], kernel, start], grad.double())
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other.float())


@pytest.mark.usefixtures('threads')
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('channels', [16, 48, 384])
@pytest.mark.parametrize(
    ('dtype', 'to'),
    [
        (torch.float32, torch.float32),
        (torch.float32, torch.bfloat16),
        (torch.bfloat16, torch.bfloat16),
    ],
    ids=str,
)
def test_a_norm(kernels, channels, bias, dtype, to):
    norm = LayerNorm2d(channels, bias)
    torch.nn.init.normal_(norm.weight)
    pixels = (torch.randn(2, 3, 5, channels) + 4).to(dtype)
    found = operators.normalize(kernels, pixels, norm.weight.detach(), norm.bias, norm.eps, to)
    with torch.no_grad():
        assert_near(found, norm.normalize(pixels.float()).to(to))


def test_gelu_everywhere(kernels):
    """Far from zero, at infinity, and of what is no number."""
    points = torch.cat([torch.linspace(-9, 9, 4001), torch.tensor([-math.inf, math.inf, math.nan])])
    points = torch.nn.functional.pad(points, (0, -len(points) % 16))
    # One pixel, whose middle tap is one; the second half of the channels is one as well.
    window = torch.cat([points, torch.ones_like(points)]).view(1, 1, 1, -1)
    weight = torch.zeros(9, window.shape[-1])
    weight[4] = 1
    found = operators.gate(kernels, window, weight, None, False).flatten()
    expected = torch.nn.functional.gelu(points.double()).float()
    finite = expected.isfinite() & points.isfinite()
    torch.testing.assert_close(found[finite], expected[finite], atol=8e-7, rtol=3e-7)
    assert found[points == math.inf].item() == math.inf
    assert found[points.isnan()].isnan().all()


def test_sigmoid_everywhere(kernels):
    """Small answers are as right as large ones; far away it ends at 0 and 1."""
    points = torch.linspace(-86, 86, 16000)
    if not products.taken_at_once(kernels, torch.float32):
        pytest.skip('the sigmoid of float32 products is AVX-512 alone')
    found, same = torch.empty_like(points), products.pack(torch.eye(16), 1)
    products.product(kernels, points.view(-1, 16), same, None, found.view(-1, 16), squash=True)
    torch.testing.assert_close(found, points.double().sigmoid().float(), atol=0, rtol=1e-6)
    edges = torch.tensor([-math.inf, -200, 200, math.inf, math.nan])
    answers, column = torch.empty(5, 16), products.pack(torch.ones(16, 1), 1)
    products.product(kernels, edges.view(-1, 1), column, None, answers, squash=True)
    low, lower, high, higher, unknown = answers[:, 0]
    assert 0 <= low <= lower < 1e-37 and high == higher == 1 and unknown.isnan()


@pytest.mark.parametrize('length', [1, strips.BYTES], ids=['row by row', 'whole'])
@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize(
    'make',
    [
        lambda bias: GatedFeedForward(32, bias=bias),
        lambda bias: TransposedAttention(32, 2, bias),
        lambda bias: MambaStyleAttention(32, 2, projection=bias),
        lambda bias: MambaStyleAttention(32, 2, 'multiply' if bias else 'input', separable=True),
    ],
    ids=['feed-forward', 'attention', 'gated attention', 'its other forms'],
)
@pytest.mark.usefixtures('kernels')
def test_layers_give_the_same(make, bias, autocast, length, monkeypatch):
    monkeypatch.setattr(strips, 'BYTES', length)
    module = make(bias).requires_grad_(False)
    norm = LayerNorm2d(32).requires_grad_(False)
    x = torch.randn(2, 32, 9, 11).contiguous(memory_format=torch.channels_last)

    def answer():
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            return module.add_to(x, norm)

    found = answer()
    monkeypatch.setenv(library.SWITCH, '0')
    expected = answer()
    assert found.dtype == expected.dtype
    bound = 2e-2 if autocast else 1e-5
    assert (found - expected).abs().amax() <= bound * expected.abs().amax()
    if not autocast:
        assert not torch.equal(found, expected), 'the kernels were asked'


def test_what_is_not_for_the_kernels(monkeypatch):
    def refused(*_):
        raise AssertionError('a kernel of ours was asked')

    names = 'gate', 'attend', 'mask', 'normalize', 'gate_gradient', 'depthwise_gradient'
    for name in names:
        monkeypatch.setattr(operators, name, refused)
    for dtype, width in ((torch.float64, 32), (torch.float32, 24)):
        layer = TransposedAttention(width, 2).requires_grad_(False).to(dtype)
        x = torch.randn(1, width, 5, 7, dtype=dtype)
        torch.testing.assert_close(layer(x), layer.as_a_whole(x))
        gated, norm = MambaStyleAttention(width, 2).to(dtype), LayerNorm2d(width).to(dtype)
        with torch.no_grad():
            torch.testing.assert_close(gated.add_to(x, norm), x + gated(norm(x)))
