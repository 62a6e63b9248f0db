import io
from pathlib import Path

import pytest
from rich.console import Console

from irbox.restore.batch import progress as module
from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.progress import EVERY, BatchProgress

DONE = Outcome(Job(Path('a'), Path('b')), 'restored', megapixels=3.0)
FAILED = Outcome(Job(Path('a'), Path('b')), 'failed')


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock:
        now = 100.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, 'time', clock)
    return clock


def test_without_a_terminal_a_line_now_and_then_and_one_at_the_end(clock):
    out = io.StringIO()
    with BatchProgress(40, Console(file=out, width=200)) as progress:
        clock.now += EVERY - 1
        progress.picture(FAILED)
        assert out.getvalue() == ''
        clock.now += 1
        progress.picture(DONE)
        progress.share(0.5)
        assert out.getvalue().splitlines() == ['restoring 2/40 0.3 MP/s, 3 min left']
        clock.now += EVERY
        progress.share(0.5)
        # 20 seconds for two and a half: the others take 300.
        assert out.getvalue().splitlines()[1:] == ['restoring 2/40 0.15 MP/s, 5 min left']
        for _ in range(38):
            progress.picture(FAILED)
    assert out.getvalue().splitlines()[2:] == ['restoring 40/40 0.15 MP/s']


def test_seconds_that_are_left_where_they_are_few(clock):
    out = io.StringIO()
    with BatchProgress(3, Console(file=out, width=200)) as progress:
        clock.now += EVERY
        progress.share(0.0)
        progress.share(0.5)
        clock.now += EVERY
        progress.picture(DONE)
    assert out.getvalue().splitlines() == ['restoring 0/3 ', 'restoring 1/3 0.15 MP/s, 40 s left']


def test_a_terminal_shows_a_bar_that_goes_away():
    out = io.StringIO()
    with BatchProgress(2, Console(file=out, width=100, force_terminal=True)) as progress:
        progress.picture(DONE)
        progress._bar.refresh()
    assert 'restoring' in out.getvalue() and '1/2' in out.getvalue()
    assert out.getvalue().rstrip().endswith('\x1b[2K'), 'the line is cleared'
