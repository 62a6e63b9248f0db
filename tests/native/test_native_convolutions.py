"""The kernel of dense 3x3 convolutions beside torch's operators in float64."""

import pytest
import torch

from irbox.native import torch_twins as twins
from irbox.native.convolutions import NUMBERS, convolve


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize('arrangement', NUMBERS)
@pytest.mark.parametrize(
    'size', [(1, 2, 2, 16), (2, 4, 6, 32), (1, 8, 2, 48), (3, 2, 10, 96), (1, 30, 34, 64)]
)
@pytest.mark.parametrize('made', [64, 192])
def test_answers_equal_the_twins_with_the_same_bits(kernels, threads, arrangement, size, made):
    """More tiles than columns and fewer, several images, whole blocks of columns and less."""
    torch.manual_seed(0)
    pixels, weight = torch.randn(size), torch.randn(made, size[-1], 3, 3)
    found = convolve(kernels, pixels, weight, arrangement)
    expected = twins.convolve(pixels.double(), weight.double(), arrangement)
    assert found.shape == expected.shape and found.is_contiguous()
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()
    assert torch.equal(found, convolve(kernels, pixels, weight, arrangement))
    torch.set_num_threads(3 - threads)
    assert torch.equal(found, convolve(kernels, pixels, weight, arrangement))


@pytest.mark.parametrize('arrangement', ['as it is', 'shuffled'])
@pytest.mark.parametrize('size', [(1, 1, 1, 16), (2, 5, 7, 16), (1, 31, 33, 32)])
def test_sides_may_be_odd(kernels, arrangement, size):
    torch.manual_seed(0)
    pixels, weight = torch.randn(size), torch.randn(64, size[-1], 3, 3)
    found = convolve(kernels, pixels, weight, arrangement)
    expected = twins.convolve(pixels.double(), weight.double(), arrangement)
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


def test_four_pixels_become_one_of_any_number_of_channels(kernels):
    torch.manual_seed(0)
    pixels, weight = torch.randn(1, 6, 8, 48), torch.randn(24, 48, 3, 3)
    weight = weight.contiguous(memory_format=torch.channels_last)
    found = convolve(kernels, pixels, weight, 'unshuffled')
    expected = twins.convolve(pixels.double(), weight.double(), 'unshuffled')
    assert found.shape == (1, 3, 4, 96)
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()
