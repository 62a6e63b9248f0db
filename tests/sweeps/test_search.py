"""Searches: two processes on one study."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from irbox.config.load_config import load_config
from irbox.sweeps import Study, read_search
from irbox.sweeps.search import Range
from support.paths import ROOT, TINY
from support.sweeps import run_sweep

optuna = pytest.importorskip('optuna')
LR = 'optim_wrapper.optimizer.lr'
BATCH, LOSS = 'train_dataloader.batch_size', 'model.losses.pixel.type'
SEARCH = {
    'title': 'Rates',
    'base': str(TINY),
    'space': {LR: {'low': 0.001, 'high': 0.1, 'log': True}, 'model.network.width': [2, 4]},
    'options': {'train_cfg.max_iters': 8},
    'trials': 6,
    'pruning': {'trials': 2, 'iterations': 0},
}
# Stands in for the tool: the score is the learning rate's; bad ones never end by themselves.
TRAIN = """
import json, os, pathlib, sys, time
import yaml
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
config = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text())
with open(folder.parent / 'calls', 'a') as file:
    file.write(folder.name + '\\n')
rate = config['optim_wrapper']['optimizer']['lr']
log = folder / 'start/vis_data/scalars.json'
log.parent.mkdir(parents=True, exist_ok=True)
number = int(folder.name.rpartition('_')[2])
score = 30.0 - number if number < 3 else 10.0
log.write_text('\\n'.join(json.dumps({'mean/psnr': score, 'step': step}) for step in (4, 8)))
if (folder.parent / 'hang').exists() or number >= 3:
    (folder / 'waits').write_text(str(os.getppid()))
    time.sleep(60)
(folder / 'final.pth').touch()
"""


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Write a search, with changes; gives its path and the folder of a tool that stands in."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text(TRAIN)
    monkeypatch.chdir(tmp_path)

    def write(**changes):
        path = tmp_path / 'search.yaml'
        path.write_text(yaml.safe_dump(SEARCH | changes, sort_keys=False))
        return path

    return write


def study(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(Path(folder, 'study.journal')))
    return optuna.load_study(study_name='search', storage=optuna.storages.JournalStorage(backend))


def test_what_is_bad_is_given_up_and_the_best_is_a_config(search, tmp_path):
    said = []
    assert (
        Study(read_search(search()), tmp_path / 'work', tmp_path / 'tools', said.append).run() == 0
    )
    trials = study('work').trials
    assert [one.state.name for one in trials] == ['COMPLETE'] * 3 + ['PRUNED'] * 3
    assert trials[0].intermediate_values == {4: 30.0, 8: 30.0} and trials[0].value == 30.0
    best = load_config('work/best.yaml')
    assert best.optim_wrapper.optimizer.lr == trials[0].params[LR]
    assert best.train_cfg.max_iters == 8 and best.randomness.seed == 0
    assert Path('work/best.yaml').read_text().startswith('# Rates: trial 0, mean/psnr 30\n')
    assert len({one.params[LR] for one in trials}) == 6
    assert any('given up' in line for line in said)
    # Nothing is left to do, and another search does not go on in its folder.
    assert (
        Study(read_search(search()), tmp_path / 'work', tmp_path / 'tools', said.append).run() == 0
    )
    assert len(Path('work/calls').read_text().splitlines()) == 6
    other = read_search(search(options={}))
    with pytest.raises(ValueError, match='study of another search'):
        Study(other, tmp_path / 'work', tmp_path / 'tools', said.append)


def test_what_a_killed_process_left_is_gone_on_with(search, tmp_path):
    path = search(trials=1)
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work/hang').touch()
    code = (
        'from pathlib import Path\nfrom irbox.sweeps import Study, read_search\n'
        f'Study(read_search({str(path)!r}), Path("work"), Path("tools"), print).run()\n'
    )
    process = subprocess.Popen([sys.executable, '-c', code])
    end = time.monotonic() + 120
    while not Path('work/trial_0/waits').exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    Path('work/hang').unlink()
    # The training that it had started holds the folder: end it as a machine that is gone would.
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if b'work/trial_0' in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue
    assert Study(read_search(path), tmp_path / 'work', tmp_path / 'tools', print).run() == 0
    (only,) = study('work').trials
    assert only.state.name == 'COMPLETE'
    assert Path('work/calls').read_text().split() == ['trial_0', 'trial_0']


def test_a_study_of_another_score_direction_or_seed_is_refused(search, tmp_path):
    def begin(**changes):
        return Study(read_search(search(**changes)), tmp_path / 'work', None, print)

    made = begin().study
    for key, value in (('score', 'mean/ssim'), ('direction', 'minimize'), ('seed', 1)):
        with pytest.raises(ValueError, match=f'another search: what differs is {key}. Choose'):
            begin(**{key: value})
    # Earlier versions did not write them; the direction is known all the same.
    asked = made.user_attrs['asked']
    old = {key: asked[key] for key in asked if key not in ('score', 'direction', 'seed')}
    made.set_user_attr('asked', old)
    with pytest.raises(ValueError, match='what differs is direction'):
        begin(direction='minimize')
    begin(score='mean/ssim', trials=9)
    with pytest.raises(ValueError, match='what differs is score'):
        begin()


def test_a_trial_without_all_its_values_fails_and_is_not_trained(search, tmp_path):
    """What is left by a process that was killed while it chose values."""
    said = []
    made = Study(read_search(search(trials=1)), tmp_path / 'work', tmp_path / 'tools', said.append)
    made.study.ask().suggest_categorical('model.network.width', (2, 4))
    made.run()
    assert [one.state.name for one in study('work').trials] == ['FAIL']
    assert len(said) == 1 and 'before it had all values' in said[0]
    assert not Path('work/calls').exists() and not Path('work/best.yaml').exists()


def test_values_that_are_wrong_together_fail_one_trial(search, tmp_path):
    """Each may be right: only the config of the trial shows it."""
    asked = dataclasses.replace(read_search(search(trials=2)), space={LR: ('fast',)})
    said = []
    made = Study(asked, tmp_path / 'work', tmp_path / 'tools', said.append)
    assert made.run() == 2
    assert [one.state.name for one in study('work').trials] == ['FAIL'] * 2
    assert len(said) == 2 and 'optim_wrapper.optimizer.lr' in said[0] and "'fast'" in said[0]


@pytest.mark.slow
def test_two_processes_on_one_study_with_the_real_tool(search, tmp_path):
    path = search(trials=3, pruning={'trials': 3})
    command = [sys.executable, ROOT / 'tools/sweep.py', '--search', path, '--work-dir', 'work']
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    trials = study('work').trials
    assert [one.state.name for one in trials] == ['COMPLETE'] * 3
    assert all('trial_' in output for output in outputs)  # each had some
    best = max(trials, key=lambda one: one.value)
    assert load_config('work/best.yaml').model.network.width == best.params['model.network.width']
    assert all(Path(f'work/trial_{number}/final.pth').is_file() for number in range(3))


@pytest.mark.slow
def test_two_jobs_on_one_study(search, tmp_path, capsys):
    """As many processes as the command submits, on submitit's cluster of one machine."""
    pytest.importorskip('submitit')
    path = search(trials=3)
    command = ['--search', path, '--work-dir', 'work', '--submit', 'local', '--jobs', 2]
    assert run_sweep(tmp_path / 'tools', *command) == 0
    assert [one.state.name for one in study('work').trials] == ['COMPLETE'] * 3
    assert sorted(Path('work/calls').read_text().split()) == ['trial_0', 'trial_1', 'trial_2']
    logs = [file.read_text() for file in Path('work/jobs').glob('*_log.out')]
    assert len(logs) == 2
    told = capsys.readouterr().out
    for number in range(3):
        line = f'trial_{number}: mean/psnr {30 - number}'
        assert told.count(line) == 1 and sum(log.count(line) for log in logs) == 1
    assert 'The best: work/best.yaml' in told
    # Nothing is left, and what is known is not told again.
    assert run_sweep(tmp_path / 'tools', *command) == 0
    assert 'trial_' not in capsys.readouterr().out


@pytest.mark.slow
def test_a_job_of_a_search_that_has_to_leave_goes_on_with_its_trial(search, tmp_path):
    pytest.importorskip('submitit')
    path = search(trials=1)
    Path('work').mkdir()
    Path('work/hang').touch()
    code = (
        'import sys\nfrom pathlib import Path\n'
        f'sys.path.insert(0, {str(ROOT / "tests")!r})\n'
        'from support.sweeps import run_sweep\n'
        f'options = ["--search", {str(path)!r}, "--work-dir", "work", "--submit", "local"]\n'
        'sys.exit(run_sweep(Path("tools"), *options))\n'
    )
    process = subprocess.Popen([sys.executable, '-c', code])
    end = time.monotonic() + 240
    while not Path('work/trial_0/waits').exists() or not Path('work/trial_0/waits').read_text():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    Path('work/hang').unlink()
    os.kill(int(Path('work/trial_0/waits').read_text()), signal.SIGUSR2)
    assert process.wait(240) == 0
    (only,) = study('work').trials
    assert only.state.name == 'COMPLETE'
    assert Path('work/calls').read_text().split() == ['trial_0', 'trial_0']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--submit', 'slurm'], 'how many minutes'),
        (['--jobs', 2], 'in as many processes as start it'),
        (['--resources', 'mem_gb=8'], 'add --submit'),
        (['--submit', 'local', '--seeds', 1], '--seeds is of sweeps'),
    ],
)
def test_options_that_mean_nothing_are_told_before_anything_runs(
    search, tmp_path, capsys, arguments, message
):
    command = ['--search', search(), '--work-dir', 'work', *arguments]
    assert run_sweep(tmp_path / 'tools', *command) == 2
    assert message in capsys.readouterr().err
    assert not Path('work/study.journal').exists()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'base': 'none.yaml'}, 'none.yaml'),
        ({'spaec': {}}, "unknown key 'spaec'. Did you mean 'space'"),
        ({'space': {}}, 'it needs `space`'),
        ({'space': {'optim_wrapper.optimizer.rl': [1.0]}}, "takes no argument 'rl'"),
        ({'space': {LR: {'low': '1e-5', 'high': 0.1}}}, 'low: .1e-5. must be a number'),
        ({'space': {LR: {'low': 0.1, 'high': 0.01}}}, 'must be less than high'),
        ({'space': {LR: {'low': 0.0, 'high': 0.01, 'log': True}}}, 'log needs a low above 0'),
        ({'space': {LR: 3}}, 'must be a list, or'),
        ({'space': {LR: {'low': 0.1, 'high': math.inf}}}, 'high: inf must be a number'),
        ({'space': {LR: {'low': 0.1, 'high': 0.2, 'step': 0}}}, 'step: 0 must be above 0'),
        ({'space': {BATCH: {'low': 2, 'high': 8, 'step': 0.5}}}, 'step: 0.5 must be whole where'),
        ({'space': {BATCH: {'low': 2, 'high': 8, 'step': 2.5}}}, 'write low: 2.0'),
        ({'space': {LOSS: ['L1Loss', 'L1Los', 'PSNRLoss']}}, "No loss is called 'L1Los'"),
        ({'trials': 0}, 'trials: 0 must be a whole number of at least 1'),
        ({'direction': 'up'}, 'must be maximize or minimize'),
    ],
)
def test_mistakes_are_told(search, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_search(search(**changes))


def test_ranges():
    assert Range(1, 8).whole and not Range(1.0, 8).whole
