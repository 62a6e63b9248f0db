import pytest
import torch
from torch.nn import functional as F

from irbox.layers.frequency import BandSplit, FrequencyModulation, first_peaks
from irbox.layers.standard_operators import standard_operators


def published_split(x, rates):
    """Transform, roll zero to the middle, a box in the middle is low, transform back, magnitude."""
    _, _, height, width = x.shape
    spectrum = torch.fft.fft2(x).roll((height // 2, width // 2), (2, 3))
    mask = torch.zeros(x.shape)
    for image, (vertical, horizontal) in enumerate(rates.tolist()):
        rows, columns = int(height // 128 * vertical), int(width // 128 * horizontal)
        top, left = height // 2 - rows, width // 2 - columns
        mask[image, :, top : top + 2 * rows, left : left + 2 * columns] = 1

    def back(band):
        return torch.fft.ifft2(band.roll((-(height // 2), -(width // 2)), (2, 3))).abs()

    return back(spectrum * mask), back(spectrum * (1 - mask))


def rates_of(split, x):
    return split.rate_conv(F.adaptive_avg_pool2d(x, 1)).sigmoid().flatten(1)


def wide_open(split):
    """Cut-offs that differ by image and axis, and reach beyond one half."""
    with torch.no_grad():
        for conv in (split.rate_conv[0], split.rate_conv[2]):
            conv.weight.abs_().mul_(3)
        split.rate_conv[2].weight[1].mul_(0.3)
    return split


@pytest.mark.parametrize('size', [(256, 256), (520, 301), (257, 640)])
def test_box_equals_the_published_transform(size):
    split = wide_open(BandSplit(8, 'box'))
    x = torch.rand(2, 8, *size)
    x[1] *= 0.3
    rates = rates_of(split, x)
    low, high = split(x)
    slow_low, slow_high = published_split(x, rates)
    torch.testing.assert_close(low, slow_low, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(high, slow_high, atol=1e-5, rtol=1e-4)
    assert low[0].any()  # the case is not the empty one


@pytest.mark.parametrize('size', [(1, 1), (5, 7), (128, 128), (255, 255), (255, 512)])
def test_box_is_empty_below_256(size):
    split = wide_open(BandSplit(8, 'box'))
    x = torch.randn(1, 8, *size)
    low, high = split(x)
    assert not low.any()
    assert low.shape == x.shape and low.untyped_storage().nbytes() < 8  # nothing is written
    torch.testing.assert_close(high, x.abs(), atol=0, rtol=0)
    slow_low, slow_high = published_split(x, rates_of(split, x))
    torch.testing.assert_close(low, slow_low, atol=1e-5, rtol=0)
    torch.testing.assert_close(high, slow_high, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('size', [(16, 16), (5, 7), (1, 1)])
def test_soft_bands_add_up(size):
    x = torch.randn(2, 8, *size)
    low, high = BandSplit(8, 'soft')(x)
    torch.testing.assert_close(low + high, x, atol=1e-6, rtol=1e-5)


def test_soft_mask_parts_smooth_from_rough():
    split = BandSplit(8, 'soft')  # cut-offs start near one half of the Nyquist frequency
    smooth = torch.full((1, 8, 32, 32), 0.7)
    rough = torch.ones(1, 8, 32, 32)
    rough[..., ::2] = -1
    low, high = split(smooth + rough)
    torch.testing.assert_close(low, smooth, atol=0.02, rtol=0)
    torch.testing.assert_close(high, rough, atol=0.02, rtol=0)


def test_soft_cut_offs_learn_and_those_of_the_box_do_not():
    x = torch.rand(1, 8, 256, 256)
    soft = BandSplit(8, 'soft')
    soft(x)[0].square().sum().backward()
    assert all(weight.grad.any() for weight in soft.parameters())
    assert not BandSplit(8, 'box')(x)[0].requires_grad


def test_soft_gradients_are_finite_when_a_cut_off_vanishes():
    split = BandSplit(8, 'soft')
    with torch.no_grad():
        split.rate_conv[0].weight.abs_()
        split.rate_conv[2].weight.fill_(-1e3)
    x = torch.rand(1, 8, 9, 8, requires_grad=True)
    low, _ = split(x)
    low.square().sum().backward()
    assert x.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in split.parameters())


def test_modulation_equals_the_formula():
    layer = FrequencyModulation(32)
    low, high = torch.randn(2, 32, 5, 7), torch.randn(2, 32, 5, 7)

    def perceptron(vector):
        first, _, second = layer.channel_gate
        hidden = (first.weight.flatten(1) @ vector).relu()
        return second.weight.flatten(1) @ hidden

    for image in range(2):
        average, peak = low[image].mean((1, 2)), low[image].amax((1, 2))
        per_channel = (perceptron(average) + perceptron(peak)).sigmoid()
        seen = torch.stack([high[image].amax(0), high[image].mean(0)])
        per_pixel = F.conv2d(seen[None], layer.spatial_gate.weight, padding=3).sigmoid()[0]
        mixed = high[image] * per_channel[:, None, None] + low[image] * per_pixel
        wanted = F.conv2d(mixed[None], layer.proj.weight, layer.proj.bias)[0]
        torch.testing.assert_close(layer(low, high)[image], wanted, atol=1e-5, rtol=1e-4)


def test_sizes_are_not_asked_for_while_exporting():
    split, x = BandSplit(4, 'box'), torch.randn(1, 4, 9, 11)
    assert split.leaves_low_empty(x)
    with standard_operators():
        assert not split.leaves_low_empty(x)


@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_both_ways_to_find_peaks_agree_among_equals_too(memory):
    x = torch.randint(0, 4, (2, 5, 7, 6)).float().contiguous(memory_format=memory).requires_grad_()
    ways = (first_peaks, lambda x: F.adaptive_max_pool2d(x, 1))
    found, expected = (way(x) for way in ways)
    assert torch.equal(found, expected)
    grads = [torch.autograd.grad((peaks * 3).sum(), x)[0] for peaks in (found, expected)]
    assert torch.equal(*grads)
