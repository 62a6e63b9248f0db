"""The check of a GPU runs all its parts, and ends in time."""

import time

import pytest

from support.tool_module import tool_module

check_gpu = tool_module('check_gpu')
Part = check_gpu.Part


def in_seconds(seconds):
    return time.monotonic() + seconds


def test_a_part_says_how_it_went_and_keeps_what_it_printed(tmp_path):
    fine = Part('fine', ('-c', 'print("so it is")'))
    assert fine.run(tmp_path, in_seconds(60)).startswith('fine: done')
    assert (tmp_path / 'fine.log').read_text() == 'so it is\n'
    fails = Part('fails', ('-c', 'raise SystemExit(3)'))
    assert fails.run(tmp_path, in_seconds(60)).startswith('fails: status 3')


def test_a_part_ends_at_the_deadline_with_all_that_it_started(tmp_path):
    child = f'import time; time.sleep(3); open({str(tmp_path / "late")!r}, "w")'
    code = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {child!r}])'
    start = time.monotonic()
    assert Part('hangs', ('-c', code)).run(tmp_path, in_seconds(1)) == 'hangs: not done in time'
    assert time.monotonic() - start < 3
    time.sleep(3)
    assert not (tmp_path / 'late').exists()


def test_without_time_nothing_is_started(tmp_path):
    assert Part('late', ('-c', '')).run(tmp_path, in_seconds(-1)) == 'late: no time was left'
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('processes', [1, 3, 8])
def test_every_test_is_dealt_to_one_process(processes):
    tests = [f'tests/test_one.py::test_{i}' for i in range(5)]
    dealt = [
        [word for word in part.command if '::' in word]
        for part in check_gpu.test_parts(tests, processes)
    ]
    assert len(dealt) == min(processes, 5)
    assert sorted(sum(dealt, [])) == tests


def test_every_network_is_timed_beside_the_textbooks(tmp_path):
    given = tmp_path, 'cuda', ('m2ir', 'unet'), ('256x256', '480x720'), (1, 8)
    parts = list(check_gpu.timing_parts(*given))
    assert len({part.name for part in parts}) == len(parts) == 2 * 2 * 2 * 2
    batches = [part.command[part.command.index('--batch') + 1] for part in parts]
    assert batches == ['1'] * 8 + ['8'] * 8, 'what fits for sure comes first'
    for part in parts:
        assert part.command[0] == 'tools/benchmark.py' and '--textbook' in part.command
        assert (check_gpu.ROOT / part.command[1]).is_file()
