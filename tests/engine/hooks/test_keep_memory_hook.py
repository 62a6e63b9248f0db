"""Freed memory is kept while a training runs on a CPU, unless its config says otherwise."""

from types import SimpleNamespace

import pytest
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine.hooks import keep_memory_hook
from irbox.engine.hooks.keep_memory_hook import KeepMemoryHook
from irbox.engine.run_defaults import default_hooks
from irbox.registry import HOOKS
from support.paths import TINY


@pytest.fixture
def told(monkeypatch):
    """What glibc is told, in its place."""
    calls = []
    monkeypatch.setattr(keep_memory_hook, 'keep_memory', lambda most: calls.append(most) or True)
    monkeypatch.setattr(keep_memory_hook, 'release_kept_memory', lambda: calls.append('release'))
    return calls


def run(hook, device):
    runner = SimpleNamespace(model=nn.Linear(2, 2, device=device))
    for name in ('before_train', 'before_val', 'after_val', 'after_train'):
        getattr(hook, name)(runner)


def test_it_is_kept_up_to_a_bound_and_given_back_after_a_validation(told):
    run(KeepMemoryHook(most=64), 'cpu')
    assert told == [64 * 2**20, 'release', 'release']


def test_nothing_is_done_on_other_devices(told):
    run(KeepMemoryHook(), 'meta')
    assert told == []


def test_nothing_is_given_back_where_nothing_is_kept(told, monkeypatch):
    monkeypatch.setattr(keep_memory_hook, 'keep_memory', lambda most: False)
    run(KeepMemoryHook(), 'cpu')
    assert told == []


def test_every_training_has_it_unless_it_is_switched_off():
    assert HOOKS.build(default_hooks(load_config(TINY))['keep_memory']).most == 2047
    off = load_config(TINY, {'default_hooks.keep_memory': None})
    assert 'keep_memory' not in default_hooks(off)


@pytest.mark.parametrize('most', [-1, 2048])
def test_a_bound_that_glibc_cannot_hold_is_refused(most):
    with pytest.raises(ValueError, match='most'):
        KeepMemoryHook(most=most)
