"""A run by its folder; small programs stand for training and testing."""

import json
import re
import threading

import pytest

from irbox.sweeps.run import TAIL, Run
from irbox.utils.files import locked

TRAIN = (
    'import os, sys, pathlib\n'
    'folder = pathlib.Path(sys.argv[-1])\n'
    'assert sys.argv[1:] == [str(folder / "row.yaml"), "--resume", "--work-dir", str(folder)]\n'
    '(folder / "final.pth").write_text(os.environ["GIVEN"])\n'
)
TEST = (
    'import sys, pathlib\n'
    'folder = pathlib.Path(sys.argv[-1])\n'
    'assert sys.argv[2] == str(folder / "final.pth")\n'
    '(folder / "results.json").write_text("[]")\n'
)
FAILS = 'import sys\nfor i in range(30):\n    print("line", i)\nsys.exit(3)\n'


@pytest.fixture
def run(tmp_path):
    return Run('plain', 3, 'seed: 3\nwidth: 8\n', tmp_path / 'plain_seed3')


@pytest.fixture
def execute(run, tmp_path):
    def execute(train=TRAIN, test=TEST):
        for name, source in (('train', train), ('test', test)):
            (tmp_path / f'{name}.py').write_text(source)
        started = []
        failure = run.execute(tmp_path, {'GIVEN': 'to it'}, started.append, threading.Event())
        return failure, [one.args[1].rpartition('/')[2] for one in started]

    return execute


def test_trained_tested_and_not_again(run, execute):
    assert run.name == 'plain, seed 3' and run.state() == 'new' and run.seconds() is None
    assert execute() == (None, ['train.py', 'test.py'])
    assert run.state() == 'finished' and run.results() == [] and run.changes() == []
    assert (run.folder / 'final.pth').read_text() == 'to it'
    assert run.seconds() >= 0
    assert execute() == (None, [])
    (run.folder / 'results.json').unlink()
    assert run.state() == 'started'
    assert execute() == (None, ['test.py']), 'what is trained is only tested'


def test_a_failure_has_the_end_of_the_log_and_its_time_counts(run, execute):
    run.folder.mkdir()
    run.config_file.write_text(run.config)
    (run.folder / 'seconds.json').write_text('100')
    failure, started = execute(train=FAILS)
    assert started == ['train.py'] and run.state() == 'started' and run.seconds() >= 100
    head, *lines = failure.splitlines()
    assert head == f'train ended with code 3. The end of {run.log_file}:'
    assert lines == [f'    line {i}' for i in range(30 - TAIL, 30)]


@pytest.mark.parametrize(
    ('config', 'said'),
    [('seed: 3\nwidth: 9\n', r'width.*\)'), (None, 'its config is missing')],
)
def test_a_folder_of_another_run_is_kept(run, execute, config, said):
    run.folder.mkdir()
    (run.folder / 'results.json').write_text(json.dumps([{'psnr': 1}]))
    if config:
        run.config_file.write_text(config)
    failure, started = execute()
    assert run.state() == 'other' and started == []
    assert re.search(
        f'plain_seed3 holds a run of another config .*{said}.* Choose another', failure
    )
    assert run.results() == [{'psnr': 1}]


def test_a_folder_in_use_is_left_alone(run, execute):
    run.folder.mkdir()
    with locked(run.folder / '.lock'):
        assert execute() == (f'{run.folder} is in use by another process.', [])
    assert execute()[0] is None
