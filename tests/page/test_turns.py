import threading
import time

import pytest

from irbox.page.turns import Cancelled, TooBusyError, Turns


class Waiting:
    """Takes a turn in a thread of its own."""

    def __init__(self, turns, log, name, device='cpu'):
        self.stop, self.go, self.placed = threading.Event(), threading.Event(), []
        self.cancelled = False

        def run():
            try:
                with turns.turn(device, self.placed.append, self.stop):
                    log.append(name)
                    self.go.wait(10)
            except Cancelled:
                self.cancelled = True

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self):
        self.go.set()
        self.thread.join(10)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def three():
    turns, log, waiting = Turns(most_waiting=2), [], []
    for name in 'abc':
        waiting.append(Waiting(turns, log, name))
        until(lambda: turns.lengths()['cpu'] == len(waiting))
    yield turns, log, waiting
    for one in waiting:
        one.stop.set()
        one.end()


def test_in_the_order_in_which_they_came(three):
    turns, log, (a, b, c) = three
    until(lambda: log == ['a'] and b.placed == [1] and c.placed == [2])
    a.end()
    until(lambda: log == ['a', 'b'] and c.placed == [2, 1])
    b.end()
    until(lambda: log == ['a', 'b', 'c'])
    c.end()
    assert turns.lengths() == {'cpu': 0}
    assert a.placed == []


def test_who_waits_may_leave(three):
    turns, log, (a, b, c) = three
    b.stop.set()
    b.thread.join(10)
    assert b.cancelled
    until(lambda: c.placed[-1] == 1)
    a.end()
    until(lambda: log == ['a', 'c'])


def test_too_many(three):
    turns, log, _ = three
    with pytest.raises(TooBusyError, match='2 pictures wait already'), turns.turn('cpu'):
        pass
    with turns.turn('cuda'):
        assert turns.lengths() == {'cpu': 3, 'cuda': 1}


def test_a_place_that_raises_waits_no_longer(three):
    turns, _, (a, b, c) = three
    c.stop.set()
    c.thread.join(10)
    with pytest.raises(KeyError), turns.turn('cpu', lambda before: {}[before]):
        pass
    assert turns.lengths() == {'cpu': 2}
