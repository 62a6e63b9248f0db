import torch

from irbox.layers.depthwise_conv import DepthwiseConv


def test_a_channel_sees_its_own_neighbours_alone():
    x = torch.zeros(1, 3, 5, 5)
    x[0, 1, 2, 2] = 1
    reached = DepthwiseConv(3)(x)[0] != 0
    assert not reached[[0, 2]].any()
    assert reached[1, 1:4, 1:4].all() and reached[1].sum() == 9


def test_separable_mixes_the_channels_afterwards():
    layer, x = DepthwiseConv(4, pointwise=True, bias=True), torch.randn(2, 4, 5, 7)
    spread, mix = layer
    wanted = torch.einsum('bchw,oc->bohw', spread(x), mix.weight[..., 0, 0])
    torch.testing.assert_close(layer(x), wanted + mix.bias[:, None, None])


def test_weights():
    def count(*options):
        return sum(p.numel() for p in DepthwiseConv(10, *options).parameters())

    assert count() == 90
    assert count(True) == 190
    assert count(True, True) == 210
