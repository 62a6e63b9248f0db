"""Runs as jobs, on submitit's cluster of one machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from irbox.sweeps.run import Run
from irbox.sweeps.submit import Job
from support.paths import TINY
from support.sweeps import run_sweep

pytest.importorskip('submitit')
# Stand in for the two tools; a training waits to be told to leave where a file says so.
TRAIN = """
import json, os, pathlib, signal, sys, time
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index('--work-dir') + 1])
with open(folder.parent / 'calls', 'a') as file:
    file.write(json.dumps([folder.name, os.environ.get('SUBMITIT_LOCAL_JOB_ID')]) + '\\n')
def leave(*_):
    (folder / 'checkpoint').touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
if (folder.parent / 'wait').exists() and not (folder / 'checkpoint').exists():
    (folder / 'parent').write_text(str(os.getppid()))
    time.sleep(60)
if (folder.parent / 'fail').exists() and 'wide' in folder.name:
    sys.exit('Error: unlucky')
(folder / 'final.pth').touch()
"""
TEST = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
row = {'task': 'mean', 'protocol': 'aio', 'input_psnr': 15.0, 'input_ssim': 0.5}
(folder / 'results.json').write_text(json.dumps([row | {'psnr': 20.0, 'ssim': 0.6}]))
"""
SWEEP = {
    'title': 'Widths',
    'seeds': [0],
    'bases': {'tiny': str(TINY)},
    'resources': {'cpus_per_task': 1},
    'rows': [{'name': 'full'}, {'name': 'wide', 'options': {'model.network.width': 8}}],
}


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    tools = tmp_path / 'tools'
    tools.mkdir()
    (tools / 'train.py').write_text(TRAIN)
    (tools / 'test.py').write_text(TEST)
    (tmp_path / 'runs').mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **changes):
        Path('sweep.yaml').write_text(yaml.safe_dump(SWEEP | changes))
        options = ['sweep.yaml', '--work-dir', 'runs', '--size', '16x16', *arguments]
        return run_sweep(tools, *options)

    return run


def calls():
    return [json.loads(line) for line in Path('runs/calls').read_text().splitlines()]


@pytest.mark.slow
def test_each_run_is_a_job_and_what_is_done_is_not_done_again(sweep, capsys):
    Path('runs/fail').touch()
    assert sweep('--submit', 'local') == 1
    assert [name for name, _ in calls()] == ['full_seed0', 'wide_seed0']
    first, second = (job for _, job in calls())
    assert first and second and first != second
    assert {f'{job}_0_log.err' for job in (first, second)} <= set(os.listdir('runs/jobs'))
    out = capsys.readouterr().out
    assert 'full, seed 0: mean PSNR 20.00 dB (+5.00)' in out and 'Error: unlucky' in out
    text = Path('runs/sweep.md').read_text()
    assert '| full | ' in text and '20.00' in text
    Path('runs/fail').unlink()
    assert sweep('--submit', 'local') == 0
    assert [name for name, _ in calls()][2:] == ['wide_seed0']


@pytest.mark.slow
def test_a_job_that_has_to_leave_is_put_back_and_goes_on(sweep, tmp_path):
    Path('runs/wait').touch()
    assert sweep('--dry-run') == 0  # writes the file
    Path('start.py').write_text(
        'from pathlib import Path\nimport sys\nimport irbox.commands.sweep\n'
        f'irbox.commands.sweep.TOOLS = Path({str(tmp_path / "tools")!r})\n'
        'sys.argv = ["sweep", "sweep.yaml", "--work-dir", "runs", "--size", "16x16",\n'
        '    "--submit", "local", "--rows", "full"]\n'
        'irbox.commands.run_as_tool("sweep")\n'
    )
    process = subprocess.Popen([sys.executable, 'start.py'])
    parent = Path('runs/full_seed0/parent')
    end = time.monotonic() + 120
    while not parent.exists() or not parent.read_text():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    os.kill(int(parent.read_text()), signal.SIGUSR2)
    assert process.wait(120) == 0
    assert Path('runs/full_seed0/checkpoint').exists()
    (first, job), (second, again) = calls()
    assert first == second == 'full_seed0' and job == again


def test_a_job_goes_on_as_it_was(tmp_path):
    run = Run('full', 0, 'a: 1\n', tmp_path)
    later = Job(run, None, {'A': '1'}).checkpoint()
    assert later.function.run == run and later.function.environment == {'A': '1'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--submit', 'slurm'], 'how many minutes'),
        (['--submit', 'local', '--gpus', '0'], '--resources gpus_per_node=1'),
        (['--resources', 'mem_gb=8'], 'add --submit'),
        (['--submit', 'local', '--resources', 'memory=8'], 'memory'),
        (['--submit', 'local', '--resources', 'cpus_per_task=many'], 'cpus_per_task'),
    ],
)
def test_mistakes_are_told_before_anything_runs(sweep, capsys, arguments, message):
    assert sweep(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path('runs/calls').exists()


def test_resources_of_a_row_win(sweep):
    from irbox.sweeps import read_sweep

    rows = [{'name': 'full'}, {'name': 'wide', 'resources': {'cpus_per_task': 8}}]
    assert sweep('--dry-run', rows=rows) == 0
    read = read_sweep('sweep.yaml')
    assert [{**read.resources, **row.resources}['cpus_per_task'] for row in read.rows] == [1, 8]
