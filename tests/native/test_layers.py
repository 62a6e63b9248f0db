"""Kernels of whole layers against their twins; layers by kernels are tested with the layers."""

import pytest
import torch

from irbox.native import products
from irbox.native.layer_trial import trials


@pytest.fixture
def draw(kernels):
    if not products.taken_at_once(kernels, torch.float32):
        pytest.skip('torch multiplies on this processor')
    generator = torch.Generator().manual_seed(0)
    return lambda *size: torch.randn(size, generator=generator)


# One row, rows that do not divide the height, all rows; whole images.
@pytest.mark.parametrize('rows', [1, 2, 3, 9, 0])
@pytest.mark.parametrize('size', [(3, 9, 5, 32), (1, 1, 1, 96), (2, 2, 13, 48)], ids=str)
@pytest.mark.usefixtures('threads')
def test_answers_and_gradients_equal_the_twins(kernels, draw, size, rows):
    heads = 2 if size[3] == 32 else 1
    names = []
    for name, found, expected in trials(kernels, draw, size, heads, rows):
        names.append(name)
        for one, other in zip(found, expected, strict=True):
            assert (one - other).abs().max() <= 1e-5 * other.abs().max(), name
    assert len(names) == (8 if rows else 6)


def test_strips_of_any_length_give_the_same_bits(kernels, draw):
    """Of what is made for each pixel; sums are taken strip by strip."""
    state = torch.Generator().manual_seed(1)
    found = []
    for rows in (1, 4):
        generator = state.clone_state()
        given = lambda *size, g=generator: torch.randn(size, generator=g)  # noqa: E731
        for name, answers, _ in trials(kernels, given, (2, 9, 5, 32), 2, rows):
            if name == 'feed_forward':
                found.append(answers[-1])
    assert torch.equal(*found)
