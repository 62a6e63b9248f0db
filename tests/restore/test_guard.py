import pytest
import torch

from irbox.restore.guard import find_fault

GIVEN = torch.full((1, 3, 8, 8), 0.4)


def test_a_usual_answer_has_no_fault():
    assert find_fault(GIVEN, GIVEN + 0.1) is None


def test_faults():
    broken = GIVEN.clone()
    broken[0, 1, 2, 3] = float('nan')
    assert find_fault(GIVEN, broken) == 'not finite'
    assert find_fault(GIVEN, GIVEN * 0) == 'black'
    red = GIVEN.clone()
    red[:, 0] += 0.3
    assert find_fault(GIVEN, red) == 'of another mean color (+0.30 in red)'


def test_darkness_may_stay_dark():
    assert find_fault(GIVEN * 0.01, GIVEN * 0) is None


@pytest.mark.parametrize('value', [float('inf'), -float('inf')])
def test_infinities_are_not_finite(value):
    assert find_fault(GIVEN, GIVEN + value) == 'not finite'
