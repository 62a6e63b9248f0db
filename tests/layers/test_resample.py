import pytest
import torch

from irbox.layers.resample import Downsample, Upsample


def test_downsample_moves_each_square_into_four_channels():
    layer = Downsample(4)
    x = torch.randn(2, 4, 6, 10)
    narrow = layer[0](x)
    assert narrow.shape == (2, 2, 6, 10)
    out = layer(x)
    assert out.shape == (2, 8, 3, 5)
    for channel in range(2):
        for row in range(2):
            for column in range(2):
                torch.testing.assert_close(
                    out[:, 4 * channel + 2 * row + column], narrow[:, channel, row::2, column::2]
                )


def test_upsample_moves_four_channels_into_each_square():
    layer = Upsample(8)
    x = torch.randn(2, 8, 3, 5)
    wide = layer[0](x)
    assert wide.shape == (2, 16, 3, 5)
    out = layer(x)
    assert out.shape == (2, 4, 6, 10)
    for channel in range(4):
        for row in range(2):
            for column in range(2):
                torch.testing.assert_close(
                    out[:, channel, row::2, column::2], wide[:, 4 * channel + 2 * row + column]
                )


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match='dim=5 must be even'):
        Downsample(5)
