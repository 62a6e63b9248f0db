"""What layers become for other programs is what they are."""

import pytest
import torch

from irbox.graphs.whole_network import WholeNetwork, pad_to_multiple
from irbox.layers import padding
from irbox.layers.frequency import BandSplit, FrequencyModulation
from irbox.layers.selective_scan import loop_scan, selective_scan
from irbox.layers.standard_operators import standard_operators, wants_standard_operators
from irbox.networks.restoration_network import RestorationNetwork


@pytest.mark.parametrize('size', [(1, 1), (3, 40), (8, 16), (9, 17), (7, 3), (5, 9)])
def test_padding_is_that_of_every_network(size):
    image = torch.rand(2, 3, *size)
    for multiple in (1, 4, 8, 16):
        expected = padding.pad_to_multiple(image, multiple)
        assert pad_to_multiple(image, multiple).equal(expected)


class LooksTwice(RestorationNetwork):
    """Uses both what it is given and what is known about it."""

    multiple = 8
    input_range = (-1, 1)

    def restore(self, padded, context):
        assert context.image is padded
        return padded + 2 * context.image


def test_what_blocks_know_of_the_image_is_in_the_network_s_range():
    image = torch.rand(2, 3, 9, 17)
    network = LooksTwice()
    assert WholeNetwork(network)(image).equal(network(image))


@pytest.mark.parametrize('mask', ['box', 'soft'])
@pytest.mark.parametrize('size', [(20, 31), (256, 300), (128, 520), (521, 384)])
@torch.no_grad()
def test_bands_by_products_are_those_by_transforms(mask, size):
    split = BandSplit(8, mask)
    # Cut-offs near 1: a box that holds something.
    split.rate_conv[2].weight.fill_(2.0)
    x = torch.randn(2, 8, *size)
    expected = split(x)
    with standard_operators():
        found = split(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)
    if mask == 'box':
        assert bool(expected[0].any()) == (min(size) >= 256)


@torch.no_grad()
def test_bands_modulate_each_other_as_before():
    modulate = FrequencyModulation(16)
    low, high = torch.randn(2, 2, 16, 9, 12).unbind(0)
    expected = modulate(low, high)
    with standard_operators():
        assert modulate(low, high).equal(expected)


@pytest.mark.parametrize('length', [1, 31, 32, 33, 100])
def test_the_loop_scans_as_the_operator_does(length):
    batch, dim, states = 2, 6, 4
    u, delta, gate = torch.randn(3, batch, dim, length).unbind(0)
    write, read = torch.randn(2, batch, states, length).unbind(0)
    rates = -torch.rand(dim, states) - 0.1
    given = (u, delta, rates, write, read, torch.rand(dim), gate, torch.randn(dim))
    step = given[1].abs()
    expected = selective_scan(*given, delta_softplus=True)
    with standard_operators():
        assert wants_standard_operators()
        found = selective_scan(*given, delta_softplus=True)
        plain = selective_scan(u, step, *given[2:5])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(plain, selective_scan(u, step, *given[2:5]), rtol=1e-5, atol=1e-6)
    assert not wants_standard_operators()


def test_long_steps_neither_grow_nor_vanish_into_what_is_no_number():
    """Forms with quotients of decays fail here: exp(-1000 * 32) is zero."""
    u = torch.ones(1, 64, 2)
    rates = torch.full((3, 2), -1000.0)
    b = c = torch.ones(1, 64, 3)
    answer = loop_scan.scan(u, u, rates, b, c, None, None, None, softplus=False)
    torch.testing.assert_close(answer, torch.full_like(u, 3.0))
