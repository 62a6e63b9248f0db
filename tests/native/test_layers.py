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
@pytest.mark.parametrize('keeps', [True, False], ids=['kept', 'passing'])
@pytest.mark.usefixtures('threads')
def test_answers_and_gradients_equal_the_twins(kernels, draw, size, rows, keeps):
    heads = 2 if size[3] == 32 else 1
    names = []
    for name, found, expected in trials(kernels, draw, size, heads, rows, keeps):
        names.append(name)
        for one, other in zip(found, expected, strict=True):
            assert (one - other).abs().max() <= 1e-5 * other.abs().max(), name
    forward = 4 if rows else 3
    assert len(names) == (2 * forward if keeps else forward)


# Strips have columns by the dozen: three, of which the last is narrow; two.
@pytest.mark.parametrize('across', [9, 30])
@pytest.mark.parametrize('rows', [1, 4, 0])
@pytest.mark.usefixtures('threads')
def test_columns_of_strips_equal_the_twins(kernels, draw, rows, across):
    given = kernels, draw, (2, 9, 53, 32), 2, rows, False
    for name, found, expected in trials(*given, across=across):
        for one, other in zip(found, expected, strict=True):
            assert (one - other).abs().max() <= 1e-5 * other.abs().max(), name


def test_strips_of_any_size_give_the_same_bits(kernels, draw):
    """Of what is made for each pixel; sums are taken strip by strip."""
    state = torch.Generator().manual_seed(1)
    found = []
    for rows, keeps, across in (
        *((1, True, None), (4, True, None)),
        *((1, False, None), (4, False, None), (1, False, 9), (4, False, 30)),
    ):
        generator = state.clone_state()
        given = lambda *size, g=generator: torch.randn(size, generator=g)  # noqa: E731
        answers = next(trials(kernels, given, (2, 9, 53, 32), 2, rows, keeps, across=across))
        assert answers[0] == 'feed_forward'
        found.append(answers[1][-1])
    assert all(torch.equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize('across', [None, 24])
@pytest.mark.parametrize('rows', [1, 3, 0])
@pytest.mark.usefixtures('threads')
def test_half_precision_is_as_near_as_its_digits(kernels, rows, across):
    if not products.taken_at_once(kernels, torch.bfloat16):
        pytest.skip('torch multiplies bfloat16 on this processor')
    state = torch.Generator().manual_seed(3)
    draw = lambda *size: torch.randn(size, generator=state)  # noqa: E731
    given = draw, (3, 9, 29, 32), 2, rows, False, torch.bfloat16
    for name, found, expected in trials(kernels, *given, across=across):
        for one, other in zip(found, expected, strict=True):
            assert (one.float() - other.float()).abs().max() <= 0.02 * other.float().abs().max(), (
                name
            )


@pytest.mark.parametrize(
    'size', [(1, 40, 5, 32), (3, 17, 6, 32), (2, 8, 3, 32), (1, 9, 53, 32)], ids=str
)
def test_any_number_of_threads_gives_the_same(kernels, draw, size):
    """Bands of rows side by side, whose answers are where their neighbours' pixels are."""
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        state = torch.Generator().manual_seed(2)
        given = lambda *size, g=state: torch.randn(size, generator=g)  # noqa: E731
        made = trials(kernels, given, size, 2, 2, False, across=24)
        found.append([answers for _, answers, _ in made])
    torch.set_num_threads(before)
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            for one, two in zip(mine, theirs, strict=True):
                assert (one - two).abs().max() <= 1e-6 * two.abs().max()
