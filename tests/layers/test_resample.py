import pytest
import torch

from irbox.layers import resample
from irbox.layers.resample import Downsample, Upsample
from irbox.native.library import native
from irbox.native.products import taken_at_once


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


@pytest.fixture
def asked(monkeypatch):
    """What the kernel was asked for."""
    library = native()
    if library is None or not taken_at_once(library, torch.float32):
        pytest.skip('no kernels for this processor')
    found, kernel = [], resample.convolve
    monkeypatch.setattr(resample, 'convolve', lambda *a: found.append(a[-1]) or kernel(*a))
    return found


def map_of(*size):
    torch.manual_seed(0)
    return torch.randn(size).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('size', [(1, 32, 24, 26), (2, 64, 20, 18), (3, 96, 16, 14)])
@pytest.mark.parametrize('kind', [Downsample, Upsample])
def test_by_a_kernel_where_nothing_learns(kind, size, asked):
    """Beside the layer in float64, which no kernel computes."""
    layer, x = kind(size[1]), map_of(*size)
    with torch.no_grad():
        found, again = layer(x), layer(x.contiguous())
        assert len(asked) == 2
        expected = layer.double()(x.double())
    assert len(asked) == 2 and torch.equal(found, again)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_an_odd_map_is_doubled_by_a_kernel(asked):
    layer, x = Upsample(32), map_of(1, 32, 23, 27)
    with torch.no_grad():
        found, expected = layer(x), layer.double()(x.double())
    assert asked == ['shuffled']
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_torch_convolves_what_learns_is_small_watched_or_no_whole_vectors(asked):
    Upsample(32)(map_of(1, 32, 24, 24))
    with torch.no_grad():
        Upsample(32)(map_of(1, 32, 8, 8))
        Upsample(16)(map_of(1, 16, 24, 24))
        Downsample(24)(map_of(1, 24, 24, 24))
        watched, seen = Downsample(32), []
        watched[0].register_forward_hook(lambda *_: seen.append(1))
        watched(map_of(1, 32, 24, 24))
        with torch.autocast('cpu', dtype=torch.bfloat16):
            Downsample(32)(map_of(1, 32, 24, 24))
    assert seen and not asked


@pytest.mark.parametrize('size', [(2, 8, 6, 10), (1, 12, 1, 3)])
def test_rearranged_as_by_torch_in_channels_last_memory(size):
    """What accelerators are given: torch leaves that order of memory there."""
    x = map_of(*size)
    wide = resample.rearranged(x, 'shuffled')
    assert torch.equal(wide, torch.pixel_shuffle(x, 2))
    assert torch.equal(resample.rearranged(wide, 'unshuffled'), x)
    assert wide.is_contiguous(memory_format=torch.channels_last)


def test_accelerators_get_it_but_where_somebody_watches():
    for kind in (Downsample, Upsample):
        layer = kind(8).to('meta')
        x = torch.empty(2, 8, 6, 10, device='meta')
        answer = layer(x)
        assert answer.is_contiguous(memory_format=torch.channels_last)
        seen = []
        layer[1].register_forward_hook(lambda *_, seen=seen: seen.append(1))
        assert layer(x).shape == answer.shape and seen
    with pytest.raises(RuntimeError, match='invalid for input'):  # torch's own words there
        Downsample(8).to('meta')(x[:, :, :5])


def test_a_map_of_odd_size_is_refused_as_ever(asked):
    with torch.no_grad(), pytest.raises(RuntimeError, match='divisible by downscale_factor'):
        Downsample(32)(map_of(1, 32, 25, 24))
