"""Trainings in processes of their own that hang, and are ended."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.watch import TRACEBACKS
from support.paths import ROOT, TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(TRACEBACKS is None, reason='needs signals'),
]
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1'}
TOOL = ROOT / 'tools/train.py'
HUNG = 'Process 0, iteration 14: nothing has happened for'


@pytest.fixture
def start(tmp_path):
    def start(*hooks, launcher=(), least=2, more=()):
        config = tmp_path / 'config.yaml'
        plugin = TINY.with_name('tiny_parts.py')
        config.write_text(
            f'_base_: {TINY}\nplugins: [{plugin}]\ncustom_hooks: [{", ".join(hooks)}]\n'
            'val_cfg: null\nval_dataloader: null\nval_evaluator: null\n'
            'default_hooks:\n  progress: {type: ProgressHook, interval: 0}\n'
            '  checkpoint: {type: CheckpointHook, interval: 8}\n'
            f'  watchdog: {{type: WatchdogHook, least: {least}, always: true}}\n'
            'train_cfg: {max_iters: 20}\n'
        )
        command = [sys.executable, *launcher, str(TOOL), str(config), '--work-dir']
        return subprocess.Popen(
            [*command, str(tmp_path / 'work'), *more],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.mark.parametrize('locked', ['false', 'true'])
def test_a_hang_is_named_and_ended_and_the_training_goes_on(tmp_path, start, locked):
    process = start(f'{{type: HangHook, iteration: 14, locked: {locked}}}')
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert HUNG in output and 'in before_train_iter' in output
    assert (tmp_path / 'work/iter_8.pth').exists()
    process = start(more=['--resume'])
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    state = read_checkpoint(tmp_path / 'work/final.pth')['state_dict']
    assert all(torch.isfinite(value).all() for value in state.values())


def test_a_training_that_is_held_does_not_hang(start):
    process = start('{type: SlowHook, seconds: 0.2}', least=1)
    for line in process.stdout:
        if re.match('train 13/', line):
            break
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(4)
    os.kill(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert 'hangs' not in output


def test_one_of_two_processes(start):
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    hook = '{type: HangHook, iteration: 14, rank: 1}'
    process = start(hook, launcher=torchrun, more=['--launcher', 'pytorch'])
    output, _ = process.communicate(timeout=180)
    assert process.returncode != 0
    # Either may be the first that is ended; the launcher ends the other.
    assert re.search(r'Process \d, iteration 14: nothing has happened for \d+ s', output)
