"""Trainings of several processes under a Slurm that is a few shell scripts."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT, TINY

pytestmark = pytest.mark.slow
TOOL = ROOT / 'tools/train.py'
# Starts two processes as srun does, hands SIGUSR1 on, and gives the larger of their codes.
SRUN = """#!/bin/bash
echo "$@" > {folder}/srun
while [ "${{1:0:2}}" = -- ]; do shift; done
for rank in 0 1; do
    SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" &
    tasks[rank]=$!
done
trap 'kill -USR1 "${{tasks[@]}}"' USR1
trap 'kill -KILL "${{tasks[@]}}"' TERM
most=0
for task in "${{tasks[@]}}"; do
    wait "$task"; code=$?
    while kill -0 "$task" 2>/dev/null; do wait "$task"; code=$?; done
    [ $code -gt $most ] && most=$code
done
exit $most
"""


@pytest.fixture
def slurm(tmp_path):
    """Give what a batch script meets; each test has ports of its own."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    scontrol = f'#!/bin/sh\necho "$@" > {tmp_path}/requeued\n'
    for name, text in (('srun', SRUN.format(folder=tmp_path)), ('scontrol', scontrol)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if 'MASTER' not in key}
    return environment | {
        'PATH': f'{folder}:{os.environ["PATH"]}',
        'OMP_NUM_THREADS': '1',
        'PYTHON': sys.executable,
        'IRBOX_TRAIN': str(TOOL),
        'SLURM_NTASKS': '2',
        'SLURM_JOB_ID': str(os.getpid() + time.monotonic_ns() % 1000),
        'SLURM_JOB_NODELIST': 'localhost',
        'SLURM_ARRAY_JOB_ID': '41',
        'SLURM_ARRAY_TASK_ID': '3',
    }


def config(tmp_path, hooks, iterations=12):
    path = tmp_path / 'config.yaml'
    path.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\ncustom_hooks: [{hooks}]\n'
        f'train_cfg: {{max_iters: {iterations}, val_interval: {iterations}}}\n'
        'default_hooks: {progress: {type: ProgressHook, interval: 0}}\n'
    )
    return path


def start(command, environment):
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process, text):
    seen = ''
    for line in process.stdout:
        seen += line
        if text in line:
            return
    pytest.fail(f'{text!r} did not come:\n{seen}')


def test_two_tasks_are_one_training_that_is_put_back(tmp_path, slurm):
    path = config(tmp_path, '{type: SlowHook, seconds: 0.2}', iterations=60)
    script = [ROOT / 'tools/slurm_train.sh', path, '--work-dir', tmp_path / 'work']
    process = start(script, slurm)
    wait_for(process, 'train 5/60')
    process.terminate()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert (tmp_path / 'requeued').read_text() == 'requeue 41_3\n'
    assert '--kill-on-bad-exit=1' in (tmp_path / 'srun').read_text()
    stopped = int(re.search(r'Stopped after iteration (\d+)', output)[1])
    saved = read_checkpoint(tmp_path / f'work/iter_{stopped}.pth')
    assert saved['meta']['draws'] == 2 * 2 * stopped  # two processes, two images each
    short = ['--cfg-options', f'train_cfg.max_iters={stopped + 2}', 'custom_hooks=[]']
    again = start([*script, *short], slurm)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert '2 images x 2 accumulated x 2 processes' in output
    assert output.count('Resuming from') == 1 and output.count('Finished.') == 1


def test_a_task_that_dies_ends_the_other(tmp_path, slurm):
    """Without srun's own watch: the connection tells."""
    path = config(tmp_path, '{type: SlowHook, seconds: 0.2, rank: 1}', iterations=60)
    command = [sys.executable, TOOL, path, '--work-dir', tmp_path / 'work', '--launcher', 'slurm']
    tasks = [
        start(command, slurm | {'SLURM_PROCID': str(rank), 'SLURM_LOCALID': str(rank)})
        for rank in (0, 1)
    ]
    wait_for(tasks[0], 'train 3/60')
    os.kill(tasks[1].pid, signal.SIGKILL)
    output, _ = tasks[0].communicate(timeout=60)
    tasks[1].communicate()
    assert tasks[0].returncode not in (0, 143)
    assert re.search(r'[Cc]onnection (closed|reset) by peer', output), output
