"""Every pixel once, in the order that the codes say."""

import pytest
import torch

from irbox.layers.scan_order import scan_order


@pytest.mark.parametrize('order', ['raster', 'morton'])
@pytest.mark.parametrize('transposed', [False, True])
@pytest.mark.parametrize('size', [(1, 1), (4, 4), (5, 9), (16, 3), (1, 7)])
def test_every_pixel_is_visited_once(order, transposed, size):
    found = scan_order(order, *size, transposed)
    assert sorted(found.tolist()) == list(range(size[0] * size[1]))


def code(row, column):
    """The bits of the column at the even places, of the row at the odd ones."""
    total = 0
    for bit in range(12):
        total += ((column >> bit) & 1) << (2 * bit)
        total += ((row >> bit) & 1) << (2 * bit + 1)
    return total


@pytest.mark.parametrize('size', [(4, 4), (5, 9), (16, 3)])
def test_morton(size):
    height, width = size
    pixels = [(row, column) for row in range(height) for column in range(width)]
    wanted = [row * width + column for row, column in sorted(pixels, key=lambda p: code(*p))]
    assert scan_order('morton', *size).tolist() == wanted
    across = [row * width + c for row, c in sorted(pixels, key=lambda p: code(p[1], p[0]))]
    assert scan_order('morton', *size, transposed=True).tolist() == across


def test_raster():
    numbers = torch.arange(15).view(3, 5)
    assert torch.equal(scan_order('raster', 3, 5), numbers.flatten())
    assert torch.equal(scan_order('raster', 3, 5, transposed=True), numbers.T.flatten())
