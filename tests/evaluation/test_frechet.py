import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from irbox.evaluation import frechet_distance


def features(count, size, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator)
    return torch.randn(count, size, generator=generator) @ mixing + shift


def by_matrix_root(one, other):
    one, other = one.double().numpy(), other.double().numpy()
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(first @ second).real
    difference = one.mean(0) - other.mean(0)
    return difference @ difference + np.trace(first + second - 2 * root)


@pytest.mark.parametrize(('n1', 'n2'), [(50, 50), (200, 13), (13, 12), (9, 300)])
def test_equals_the_formula_with_a_matrix_root(n1, n2):
    one, other = features(n1, 12, 0), features(n2, 12, 1, shift=0.5)
    expected = by_matrix_root(one, other)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-6)


def test_few_images_of_many_features():
    """Where the covariances are singular; by the eigenvalues of their product."""
    one, other = features(5, 40, 0), features(7, 40, 1)
    first, second = (np.cov(x.double().numpy(), rowvar=False) for x in (one, other))
    eigenvalues = np.linalg.eigvals(first @ second).real.clip(0)
    difference = (one.double().mean(0) - other.double().mean(0)).numpy()
    expected = difference @ difference + np.trace(first + second) - 2 * np.sqrt(eigenvalues).sum()
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_the_same_set_is_at_no_distance_and_a_moved_one_at_the_square_of_the_way():
    one = features(30, 8, 0)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one.flip(0) + 2) == pytest.approx(8 * 4, rel=1e-5)


def test_wrong_features():
    with pytest.raises(ValueError, match='one F'):
        frechet_distance(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(ValueError, match='at least two'):
        frechet_distance(torch.zeros(3, 4), torch.zeros(1, 4))
