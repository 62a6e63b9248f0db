import pytest
import torch

from irbox.layers.best_scores import best, best_in_rounds


@pytest.mark.parametrize('count', [1, 2, 3, 6])
@pytest.mark.parametrize('dim', [1, -1])
def test_rounds_find_what_a_selection_finds(count, dim):
    scores = torch.randn(2, 6, 5, 6, requires_grad=True)
    results = []
    for way in (best, best_in_rounds):
        values, index = way(scores, count, dim)
        (grad,) = torch.autograd.grad(values.square().sum(), scores)
        results.append((values, index, grad))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_among_equal_scores_the_first_is_better():
    assert best_in_rounds(torch.tensor([1.0, 2, 2, 2]), 3, -1)[1].tolist() == [1, 2, 3]


@pytest.mark.parametrize('lowest', [-torch.inf, torch.finfo(torch.float32).min])
def test_none_is_found_twice(lowest):
    assert best_in_rounds(torch.tensor([lowest, 1, lowest]), 3, -1)[1].tolist() == [1, 0, 2]


def test_the_scores_are_left_as_they_are():
    scores = torch.randn(3, 5)
    before = scores.clone()
    best_in_rounds(scores, 2, 1)
    assert torch.equal(scores, before)


def test_rounds_can_be_differentiated_twice():
    scores = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda s: best_in_rounds(s, 2, 1)[0].softmax(1).square(), scores
    )
