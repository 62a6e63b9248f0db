import math

import pytest
import torch

from irbox.losses import FFTLoss
from irbox.structures import Context


def judge(restored, target, **options):
    return FFTLoss(**options)(restored, target, Context(target))


def test_equals_the_difference_of_two_transforms():
    restored, target = torch.rand(2, 3, 6, 7), torch.rand(2, 3, 6, 7)
    one, other = (torch.fft.fft2(x.double())[..., :4] for x in (restored, target))
    error = one - other
    wanted = (error.real.abs().mean() + error.imag.abs().mean()) / 2
    value = judge(restored, target, weight=0.5)
    assert value.item() == pytest.approx(0.5 * wanted.item(), rel=1e-5)


def test_a_wave_by_hand():
    # A cosine of amplitude 0.2, once over eight columns: 0.2 * 64 / 2 in one bin of the half
    # spectrum of 8 x 5 complex numbers.
    wave = 0.2 * torch.cos(2 * math.pi * torch.arange(8.0) / 8).expand(1, 3, 8, 8)
    value = judge(0.5 + wave, torch.full((1, 3, 8, 8), 0.5), weight=1.0)
    assert value.item() == pytest.approx(0.2 * 32 / (8 * 5 * 2), rel=1e-4)


def test_white_errors_count_with_the_root_of_the_pixels():
    error = 0.01 * torch.randn(4, 3, 64, 64)
    value = judge(error, torch.zeros_like(error), weight=1.0)
    # Re and Im are normal with sigma 0.01 * sqrt(4096 / 2); a mean absolute value is 0.8 of it.
    wanted = 0.01 * math.sqrt(4096 / 2) * math.sqrt(2 / math.pi)
    assert value.item() == pytest.approx(wanted, rel=0.03)


def test_reaches_every_pixel():
    restored = torch.rand(1, 3, 5, 6, requires_grad=True)
    judge(restored, torch.rand(1, 3, 5, 6)).backward()
    assert (restored.grad != 0).all()
