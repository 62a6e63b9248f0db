"""Where the time goes adds up, and operators have the right kind."""

import pytest
import torch
from torch import nn

from irbox.benchmark.profile_network import DEPTHWISE, kind_of, profile_network
from irbox.benchmark.tables import profile_table
from support.small_model import small_model


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('aten::mm', 'matrix products'),
        ('aten::bmm', 'matrix products'),
        ('aten::mkldnn_convolution', 'convolutions'),
        ('aten::_slow_conv2d_forward', 'convolutions'),
        ('irbox::selective_scan', 'selective scan'),
        ('aten::_fft_c2c', 'transforms'),
        ('aten::gelu', 'activations'),
        ('aten::native_layer_norm', 'norms'),
        ('aten::_softmax', 'softmax, top-k, sorting'),
        ('aten::index_select', 'gathering and scattering'),
        ('aten::copy_', 'copies and new memory'),
        ('aten::empty', 'copies and new memory'),
        ('aten::mul', 'element by element'),
        ('aten::sum', 'sums and poolings'),
        ('aten::view', 'other'),
    ],
)
def test_kinds(name, kind):
    assert kind_of(name) == kind


def test_depthwise_is_told_by_its_weight():
    shapes = [[1, 8, 4, 4], [8, 1, 3, 3]]
    assert kind_of('aten::convolution', shapes) == DEPTHWISE
    assert kind_of('aten::convolution', [[1, 8, 4, 4], [8, 8, 3, 3]]) == 'convolutions'


def test_times_of_a_network():
    network = small_model().network
    found = profile_network(network, torch.rand(1, 3, 16, 16), repeats=1)
    assert set(found.places) == set(network.places())
    assert all(seconds > 0 for seconds in [found.total, *found.places.values()])
    assert found.layers['GatedFeedForward'] > 0
    # A layer's own time leaves out what is inside: all together they are one forward pass.
    assert sum(found.places.values()) <= sum(found.layers.values()) * 1.01
    assert found.kinds[DEPTHWISE] > 0
    assert found.kinds['matrix products'] > 0
    assert sum(found.kinds.values()) == pytest.approx(sum(found.operators.values()))
    assert not any(module._forward_hooks for module in network.modules())
    assert profile_table(found).row_count > 20


def test_nested_modules_are_counted_once():
    class Slow(nn.Module):
        def forward(self, x):
            return torch.linalg.eigh(x[0, 0] + x[0, 0].T).eigenvectors.sum() + x

    network = nn.Sequential(nn.Sequential(Slow()))
    found = profile_network(network, torch.rand(1, 3, 64, 64), repeats=1)
    assert found.layers['Slow'] > found.layers['Sequential']
