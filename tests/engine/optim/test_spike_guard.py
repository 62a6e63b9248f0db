import math

import pytest

from irbox.engine.optim.spike_guard import SpikeGuard


def test_what_is_a_spike():
    guard = SpikeGuard(gradient=100, loss=10, window=3, least=3)
    for gradient in (1.0, 2.0):
        assert guard.judge(gradient, 0.1) == ''
    # Too little is known.
    assert guard.judge(1e6, 0.1) == ''
    assert guard.judge(1.0, 0.1) == ''
    assert guard.judge(1e6 * 99, 0.1) == ''
    assert 'the gradient (1e+10) is 101 times the largest of the last 3' in guard.judge(1e10, 0.1)
    assert 'the loss (1.1) is 11 times' in guard.judge(1.0, 1.1)
    # What was judged a spike is not remembered.
    assert len(guard.latest) == 3 and max(guard.latest)[0] == 1e6 * 99


@pytest.mark.parametrize('known', [0.0, -5.0])
def test_losses_at_and_below_zero_are_not_judged(known):
    guard = SpikeGuard(least=1)
    guard.judge(1.0, known)
    assert guard.judge(1.0, 100.0) == ''


def test_it_goes_on_with_what_it_knew():
    guard = SpikeGuard(window=2, least=2)
    guard.remember([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    assert list(guard.latest) == [(2.0, 2.0), (3.0, 3.0)]
    assert guard.judge(301.0, 1.0)


@pytest.mark.parametrize('loss', [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_not_remembered(loss):
    guard = SpikeGuard(least=2)
    for one in (loss, 1.0, 1.0, loss if math.isnan(loss) else 1.0):
        assert guard.judge(1.0, one) == ''
    assert all(math.isfinite(one) for _, one in guard.latest)
    assert 'the loss (11) is 11 times' in guard.judge(1.0, 11.0)
