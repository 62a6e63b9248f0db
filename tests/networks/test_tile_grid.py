import pytest
import torch

from irbox.networks.tile_grid import fade_weights, split_side


@pytest.mark.parametrize('length', [1, 7, 8, 63, 64, 65, 100, 257, 3000])
@pytest.mark.parametrize(('size', 'overlap', 'multiple'), [(64, 16, 8), (64, 0, 8), (30, 7, 1)])
def test_spans_cover_a_side_evenly(length, size, overlap, multiple):
    spans = split_side(length, size, overlap, multiple)
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert all(0 < stop - start <= size for start, stop in spans)
    assert all(start % multiple == 0 for start, _ in spans)
    shared = [a.stop - b.start for a, b in zip(spans[:-1], spans[1:], strict=True)]
    assert all(one >= min(overlap, length) for one in shared)
    if len(spans) > 1:
        longest = max(stop - start for start, stop in spans)
        assert all(longest - (stop - start) < multiple for start, stop in spans)


def test_sizes_are_made_equal():
    assert split_side(520, 512, 32, 8) == [(0, 280), (240, 520)]


def test_no_more_spans_than_needed():
    assert len(split_side(1000, 256, 32, 8)) == 5  # 256 + 4 * 224 = 1152, 256 + 3 * 224 = 928


def test_tiles_that_cannot_advance_are_refused():
    with pytest.raises(ValueError, match='cannot advance by 8'):
        split_side(100, 16, 16, 8)


@pytest.mark.parametrize(('length', 'size', 'overlap'), [(100, 32, 8), (100, 32, 16), (57, 32, 15)])
def test_weights_sum_to_one_at_every_pixel(length, size, overlap):
    spans = split_side(length, size, overlap, 1)
    total = torch.zeros(length)
    for (start, stop), weight in zip(spans, fade_weights(spans), strict=True):
        assert (weight >= 0).all()
        total[start:stop] += weight
    torch.testing.assert_close(total, torch.ones(length))


def test_a_tile_fades_out_where_it_was_cut():
    first, second = fade_weights(split_side(96, 64, 32, 1))
    assert first[0] == 1  # the edge of the image
    assert first[-1] < 0.001
    assert second[0] < 0.001
    assert first[-17] > 0.5 > first[-16]
