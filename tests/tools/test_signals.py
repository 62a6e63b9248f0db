"""Trainings in processes of their own that are told to end."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.loops import MultiValLoop
from irbox.engine.train import find_checkpoint, train
from support.paths import ROOT, TINY

ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1'}
TOOL = ROOT / 'tools/train.py'
SLOW = '{type: SlowHook, seconds: 0.3}'


@pytest.fixture
def config(tmp_path):
    def write(name, hooks='', **options):
        path = tmp_path / f'{name}.yaml'
        plugin = TINY.with_name('tiny_parts.py')
        more = '\n'.join(f'{key}: {value}' for key, value in options.items())
        path.write_text(
            f'_base_: {TINY}\nplugins: [{plugin}]\ncustom_hooks: [{hooks}]\n'
            'default_hooks: {progress: {type: ProgressHook, interval: 0}}\n' + more
        )
        return path

    return write


def start(config, work_dir, *arguments, launcher=(), **environment):
    command = [sys.executable, *launcher, str(TOOL), str(config), '--work-dir', str(work_dir)]
    return subprocess.Popen(
        [*command, *arguments],
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(work_dir, resume=None):
    """Train in this process, which has loaded everything."""
    config = load_config(TINY, {'work_dir': str(work_dir)})
    assert train(config, None, find_checkpoint(config, resume)) == 0


def wait_for(process, text):
    """Read what a process prints until a text comes."""
    seen = ''
    for line in process.stdout:
        seen += line
        if text in line:
            return
    pytest.fail(f'{text!r} did not come:\n{seen}')


def weights(folder, name='final.pth'):
    return read_checkpoint(folder / name)['state_dict']


def assert_same(one, two):
    assert all(torch.equal(one[key], two[key]) for key in two)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    run(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ('number', 'code', 'workers'),
    [(signal.SIGTERM, 143, 0), (signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 2)],
)
def test_a_signal_leaves_a_checkpoint_of_the_iteration(
    tmp_path, config, whole, number, code, workers
):
    path = config('slow', SLOW, train_dataloader=f'{{num_workers: {workers}}}')
    process = start(path, tmp_path / 'work')
    wait_for(process, 'train 5/12')
    begun = time.monotonic()
    # To the workers, too, as schedulers and terminals do.
    os.killpg(process.pid, number)
    output, _ = process.communicate()
    assert process.returncode == code, output
    assert time.monotonic() - begun < 30
    assert f'{number.name}: the training writes a checkpoint and leaves.' in output
    found = re.search(r'Stopped after iteration (\d+)\. Add --resume', output)
    iteration = int(found[1])
    assert iteration % 2 == 0  # between steps of two batches
    assert (tmp_path / f'work/iter_{iteration}.pth').is_file()
    assert not (tmp_path / 'work/final.pth').exists()
    run(tmp_path / 'work', 'auto')
    assert_same(weights(tmp_path / 'work'), weights(whole))


@pytest.mark.slow
def test_a_signal_in_a_validation(tmp_path, config, whole):
    path = config('slow', '{type: SlowHook, validation: 1.0}')
    process = start(path, tmp_path / 'work')
    wait_for(process, 'validate 1/5')
    process.terminate()
    output, _ = process.communicate()
    assert process.returncode == 143, output
    assert 'Stopped after iteration 4.' in output
    content = read_checkpoint(tmp_path / 'work/iter_4.pth')
    assert 'val/mean/psnr' not in content['message_hub']['log_scalars']
    run(tmp_path / 'work', 'auto')
    one, two = (read_checkpoint(folder / 'iter_12.pth') for folder in (tmp_path / 'work', whole))
    assert_same(one['state_dict'], two['state_dict'])
    scores = [content['message_hub']['log_scalars']['val/mean/psnr'] for content in (one, two)]
    assert scores[0] == scores[1]


def test_a_signal_in_the_last_validation(tmp_path, monkeypatch, capsys):
    short = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2, 'work_dir': str(tmp_path)}

    def go_on(resume):
        config = load_config(TINY, short)
        return train(config, None, find_checkpoint(config, resume))

    def signalled(self, index, batch):
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(MultiValLoop, 'run_iter', signalled)
        assert go_on(None) == 143
    assert 'Stopped after iteration 2. Add --resume' in capsys.readouterr().out
    assert not (tmp_path / 'final.pth').exists()
    assert go_on('auto') == 0
    hub = read_checkpoint(tmp_path / 'iter_2.pth')['message_hub']
    assert len(hub['log_scalars']['val/mean/psnr'][0]) == 1
    assert (tmp_path / 'final.pth').is_file()


@pytest.mark.slow
@pytest.mark.parametrize('iteration', [6, 9, 10, 12])
def test_what_was_logged_is_not_shorter_after_a_kill(tmp_path, config, whole, iteration):
    path = config('killed', f'{{type: KillHook, iteration: {iteration}}}')
    assert start(path, tmp_path / 'work').wait() == -9
    run(tmp_path / 'work', 'auto')
    logged = [
        read_checkpoint(folder / 'iter_12.pth')['message_hub']['log_scalars']
        for folder in (tmp_path / 'work', whole)
    ]
    for key in logged[1]:
        if not key.endswith('time'):
            assert logged[0][key] == logged[1][key], key


@pytest.mark.slow
def test_one_of_two_processes_is_told(tmp_path, config):
    """All leave after the same iteration; torchrun's own code is 1."""
    path = config(
        'two',
        '{type: SlowHook, seconds: 0.2, rank: 1}',
        train_cfg='{max_iters: 60, val_interval: 60}',
    )
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    process = start(path, tmp_path / 'work', '--launcher', 'pytorch', launcher=torchrun)
    wait_for(process, 'train 5/60')
    pid = int((tmp_path / 'work/rank_1.pid').read_text())
    os.kill(pid, signal.SIGTERM)
    output, _ = process.communicate()
    found = re.search(r'Stopped after iteration (\d+)', output)
    assert found, output
    assert (tmp_path / f'work/iter_{found[1]}.pth').is_file()


@pytest.mark.slow
def test_slurm_puts_the_job_back(tmp_path, config):
    path = config('slow', SLOW)
    (tmp_path / 'bin').mkdir()
    fake = tmp_path / 'bin/scontrol'
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    fake.chmod(0o755)
    environment = {
        'PATH': f'{tmp_path}/bin:{os.environ["PATH"]}',
        'SLURM_JOB_ID': '42',
        'PYTHON': sys.executable,
        'IRBOX_TRAIN': str(TOOL),
    }
    script = [ROOT / 'tools/slurm_train.sh', path, '--work-dir', tmp_path / 'work']
    process = subprocess.Popen(
        script,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(process, 'train 3/12')
    process.terminate()
    output, _ = process.communicate()
    assert process.returncode == 143, output
    assert (tmp_path / 'called').read_text() == 'requeue 42\n'
    again = subprocess.run(script, env=ENVIRONMENT | environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert 'Resuming from' in again.stdout
