import os
import time

import pytest

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.slurm import MARGIN, first_node, process_environment, seconds_left
from irbox.engine.stop_signals import StopSignals
from irbox.engine.train import find_checkpoint, train
from support.paths import TINY

SRUN = {
    'SLURM_PROCID': '5',
    'SLURM_NTASKS': '16',
    'SLURM_LOCALID': '1',
    'SLURM_JOB_NODELIST': 'gpu[03-05],cpu1',
    'SLURM_JOB_ID': '4711',
    'SLURM_STEP_ID': '0',
}


@pytest.mark.parametrize(
    ('nodes', 'first'),
    [
        ('localhost', 'localhost'),
        ('gpu7,gpu8', 'gpu7'),
        ('gpu[03-05,9],cpu1', 'gpu03'),
        ('rack[2,4]-gpu[08-11].site', 'rack2-gpu08.site'),
        ('gpu[12]', 'gpu12'),
    ],
)
def test_the_first_node(nodes, first):
    assert first_node(nodes) == first


def test_ranks_and_address_come_from_slurm():
    found = process_environment(SRUN)
    port = found.pop('MASTER_PORT')
    assert found == {
        'RANK': '5',
        'WORLD_SIZE': '16',
        'LOCAL_RANK': '1',
        'MASTER_ADDR': 'gpu03',
    }
    assert 20_000 <= int(port) < 32_000
    others = [process_environment(SRUN | change) for change in ({'SLURM_JOB_ID': '4712'},)]
    others += [process_environment(SRUN | {'SLURM_STEP_ID': '1'})]
    assert port not in [other['MASTER_PORT'] for other in others]
    assert process_environment(SRUN | {'SLURM_PROCID': '0'})['MASTER_PORT'] == port
    given = {'MASTER_ADDR': '10.0.0.1', 'MASTER_PORT': '29500'}
    assert process_environment(SRUN | given).items() >= given.items()


@pytest.mark.parametrize('name', ['SLURM_PROCID', 'SLURM_JOB_NODELIST'])
def test_what_is_missing_is_named(name):
    with pytest.raises(ValueError, match=f'{name} missing.*srun --ntasks=2'):
        process_environment({key: value for key, value in SRUN.items() if key != name})


def test_the_launcher_asks_for_it(monkeypatch):
    for name in SRUN:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match='--launcher slurm needs'):
        compat.set_up_processes('slurm')


def test_seconds_left():
    assert seconds_left({}) is None
    now = time.time()
    assert seconds_left({'SLURM_JOB_END_TIME': f'{now + 7200:.0f}'}) == pytest.approx(
        7200 - MARGIN, abs=2
    )
    # A short job goes on most of the time; one that is over ends at once.
    assert seconds_left({'SLURM_JOB_END_TIME': f'{now + 100:.0f}'}) == pytest.approx(90, abs=2)
    assert seconds_left({'SLURM_JOB_END_TIME': f'{now - 100:.0f}'}) == 0


def test_the_end_is_forgotten_when_the_training_has_left(monkeypatch):
    monkeypatch.setenv('SLURM_JOB_END_TIME', f'{time.time() + 2:.0f}')
    with StopSignals() as signals:
        pass
    time.sleep(2.1)
    assert signals.received is None


def test_a_job_that_ends_leaves_a_checkpoint(tmp_path, monkeypatch, capfd):
    options = {'work_dir': str(tmp_path), 'plugins': [str(TINY.with_name('tiny_parts.py'))]}
    slow = {'custom_hooks': [{'type': 'SlowHook', 'seconds': 0.5}]}
    config = load_config(TINY, options | slow)
    monkeypatch.setenv('SLURM_JOB_END_TIME', str(int(time.time()) + 4))
    assert train(config) == 143
    assert 'The time of the job ends' in capfd.readouterr().err
    written = [name for name in os.listdir(tmp_path) if name.startswith('iter_')]
    assert written and 'iter_12.pth' not in written
    monkeypatch.delenv('SLURM_JOB_END_TIME')
    config = load_config(TINY, options)
    assert train(config, None, find_checkpoint(config, 'auto')) == 0
    assert (tmp_path / 'final.pth').is_file()
