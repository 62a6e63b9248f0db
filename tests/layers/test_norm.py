import pytest
import torch

from irbox.layers.norm import LayerNorm2d


def reference(x, norm):
    """Restormer's two forms, pixel by pixel, in double precision."""
    out = torch.empty(x.shape, dtype=torch.float64)
    for b in range(x.shape[0]):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                pixel = x[b, :, i, j].double()
                mean = pixel.mean()
                deviation = ((pixel - mean).square().mean() + norm.eps).sqrt()
                if norm.bias is None:
                    out[b, :, i, j] = pixel / deviation * norm.weight.double()
                else:
                    scaled = (pixel - mean) / deviation * norm.weight.double()
                    out[b, :, i, j] = scaled + norm.bias.double()
    return out


def stirred(dim, bias):
    norm = LayerNorm2d(dim, bias)
    with torch.no_grad():
        for weight in norm.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return norm


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('size', [(3, 5), (1, 1)])
def test_equals_the_formula(bias, size):
    norm = stirred(7, bias)
    x = 3 + 2 * torch.randn(2, 7, *size)
    torch.testing.assert_close(norm(x).double(), reference(x, norm), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('bias', [True, False])
def test_gradients_equal_the_formulas(bias):
    norm = stirred(6, bias)
    x = torch.randn(1, 6, 2, 3, requires_grad=True)
    factors = torch.randn(1, 6, 2, 3)
    inputs = [x, *norm.parameters()]
    ours = torch.autograd.grad((norm(x) * factors).sum(), inputs)
    slow = torch.autograd.grad((reference(x, norm) * factors).sum(), inputs)
    for one, other in zip(ours, slow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_without_bias_the_mean_stays():
    norm = LayerNorm2d(4, bias=False)
    assert norm(torch.full((1, 4, 1, 1), 5.0)).mean() > 100  # divided by sqrt(eps)
    assert LayerNorm2d(4)(torch.full((1, 4, 1, 1), 5.0)).abs().max() == 0


@pytest.mark.parametrize('bias', [True, False])
def test_statistics_are_float32_for_half_inputs(bias):
    norm = stirred(16, bias)
    x = (1000 * torch.rand(1, 16, 2, 2)).half()  # squares overflow half precision
    out = norm(x)
    assert out.dtype == torch.float16
    torch.testing.assert_close(out.double(), reference(x, norm), atol=1e-2, rtol=1e-2)


def test_keeps_channels_last():
    x = torch.randn(2, 8, 5, 6).contiguous(memory_format=torch.channels_last)
    assert LayerNorm2d(8)(x).is_contiguous(memory_format=torch.channels_last)
