"""The benchmark of the scan: that it compares the same thing, and prints what it measured."""

import pytest
import torch

from irbox.commands import scan_speed
from irbox.commands import tool as tool_of
from support.ends_its_reader import EndsItsReader

main = tool_of('benchmark-scan')


@pytest.fixture
def tool():
    return scan_speed


def test_the_loop_and_the_scan_compute_the_same(tool):
    inputs = tool.make_inputs(2, 16, 4, 70, 'cpu')
    found = {name: scan(*inputs) for name, scan in tool.scans('cpu').items()}
    assert list(found) == ['plain loop', 'backend=torch', 'backend=auto']
    loop, *ours = found.values()
    for one in ours:
        torch.testing.assert_close(one, loop)


def test_it_prints_times_and_memory(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'measure_memory', lambda name, train, *_: 12.5 if train else 3.25)
    sizes = ['--dim', '8', '--state', '2', '--length', '10', '--repeats', '1', '--threads', '1']
    main(sizes)
    shown = capsys.readouterr().out
    assert 'dim 8, state 2; 1 CPU threads' in shown
    for name in ('plain loop', 'backend=torch', 'backend=auto'):
        times, memory = ([c.strip() for c in x.split('│')] for x in shown.splitlines() if name in x)
        assert float(times[4]) > 0
        assert memory[2:4] == ['3.2', '12.5']


def test_a_process_that_ends_is_not_waited_for(tool, monkeypatch):
    monkeypatch.setattr(tool, 'extra_memory', print)
    with pytest.raises(ChildProcessError, match='memory of the loop was ended'):
        tool.measure_memory('the loop', True, EndsItsReader(), 'cpu')


@pytest.mark.slow
def test_the_scan_takes_less_memory_than_the_loop(tool):
    loop, *ours = (
        tool.measure_memory(name, True, (1, 64, 8, 4096), 'cpu') for name in tool.scans('cpu')
    )
    # The loop keeps several values for every step and state.
    assert all(0 < scan < loop / 2 for scan in ours)
