import torch
from torch.nn import functional as F

from irbox.layers.feed_forward import GatedFeedForward


def test_equals_the_formula():
    layer = GatedFeedForward(6, ratio=2.66, bias=True)
    hidden = int(6 * 2.66)
    assert layer.project_out.in_channels == hidden == 15
    x = torch.randn(2, 6, 5, 7)
    # The two branches apart: the first half gates the second.
    branches = []
    for half in (slice(0, hidden), slice(hidden, 2 * hidden)):
        inner = F.conv2d(x, layer.project_in.weight[half], layer.project_in.bias[half])
        weight, bias = layer.dwconv.weight[half], layer.dwconv.bias[half]
        branches.append(F.conv2d(inner, weight, bias, padding=1, groups=hidden))
    gate, value = branches
    gelu = gate * 0.5 * (1 + torch.erf(gate / 2**0.5))
    wanted = F.conv2d(gelu * value, layer.project_out.weight, layer.project_out.bias)
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-4)


def test_restormers_widths_and_parameter_count():
    widths = [GatedFeedForward(dim).project_out.in_channels for dim in (48, 96, 192, 384)]
    assert widths == [127, 255, 510, 1021]
    layer = GatedFeedForward(48)
    assert sum(p.numel() for p in layer.parameters()) == 3 * 127 * 48 + 18 * 127
