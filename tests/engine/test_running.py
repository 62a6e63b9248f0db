from pathlib import Path

import pytest

from irbox.engine import compat
from irbox.engine.running import running
from support.paths import TINY


@pytest.fixture
def steps(monkeypatch):
    """What is joined and left."""
    found = []
    monkeypatch.setattr(compat, 'set_up_processes', lambda *given: found.extend(given))
    monkeypatch.setattr(compat, 'leave_processes', lambda: found.append('left'))
    return found


def test_processes_are_joined_and_left(steps):
    with running(TINY, {}) as config:
        assert config.train_cfg.max_iters == 12
        assert steps == ['none', None]
    assert steps == ['none', None, 'left']


def test_options_of_the_tool_come_last_and_those_not_given_do_not_count(steps):
    given = {'train_cfg.max_iters': 4, 'work_dir': 'a'}
    with running(TINY, given, work_dir=Path('b'), amp=None, launcher='pytorch') as config:
        assert (config.train_cfg.max_iters, config.work_dir) == (4, 'b')
        assert 'amp' not in config
    assert steps == ['pytorch', None, 'left']


def test_after_an_error_they_are_not_left(steps):
    with pytest.raises(RuntimeError), running(TINY, {}):
        raise RuntimeError
    assert steps == ['none', None]


def test_how_long_processes_wait_for_each_other(steps):
    with running(TINY, {'env_cfg.dist_cfg.timeout': 90}):
        assert steps == ['none', 90]
