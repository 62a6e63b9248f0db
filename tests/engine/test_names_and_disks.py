"""Names that would lead elsewhere, disks that are full, files that stay open, memory."""

import fcntl
import os
import platform
import resource
import subprocess
import sys
import threading

import pytest
import torch
from safetensors.torch import save_file

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import read_checkpoint, write_checkpoint
from irbox.engine.hooks.predictions_hook import _distinct
from irbox.engine.prepare import prepare_training
from irbox.engine.test import test as score
from irbox.engine.train import find_checkpoint, train
from irbox.registry import HOOKS
from irbox.sweeps.run import Run
from support.paths import TINY


def config(work_dir, **options):
    compat.init()
    options = {key.replace('__', '.'): value for key, value in options.items()}
    return load_config(TINY, options | {'work_dir': str(work_dir)})


def run(work_dir, resume=None, **options):
    given = config(work_dir, **options)
    train(given, None, find_checkpoint(given, resume))


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    run(folder, train_cfg__max_iters=4)
    return folder


@pytest.mark.parametrize(
    'name',
    ['../../final.pth', '/final.pth', 'a/b.pth', '..', 'x.safetensors', 'iter_4.pth', ''],
)
def test_final_weights_stay_in_the_work_dir(name):
    with pytest.raises(ValueError, match='must be a plain name that ends in .pth'):
        HOOKS.build({'type': 'FinalWeightsHook', 'filename': name})
    HOOKS.build({'type': 'FinalWeightsHook', 'filename': 'mine-2.pth'})


def test_images_of_alike_names_are_all_written(whole, tmp_path):
    names = ['a b', 'a_b', 'a+b']
    options = {'val_dataloader__dark__dataset__names': names}
    rows = score(config(tmp_path, **options), whole / 'final.pth', tmp_path / 'images')
    assert (tmp_path / 'results.json').is_file() and len(rows) == 4
    written = sorted(file.name for file in (tmp_path / 'images').glob('dark_*'))
    assert written == ['dark_a_b.png', 'dark_a_b_2.png', 'dark_a_b_3.png']


def test_names_are_numbered_in_an_order_of_their_own():
    given = _distinct(['x', 'a_b', 'a b', 'a_b_2', 'a+b', 'x'])
    assert len(set(given.values())) == 5
    assert given == _distinct(sorted(given))
    assert given['x'] == 'x' and given['a_b_2'] == 'a_b_2'


@pytest.mark.parametrize('prefix', ['', 'network.'])
def test_weights_as_safetensors_start_a_training(whole, tmp_path, prefix):
    """Those of the network alone as well: so `irbox save-model` writes them."""
    weights = read_checkpoint(whole / 'final.pth')['state_dict']
    save_file(
        {key.removeprefix(prefix): value.contiguous() for key, value in weights.items()},
        tmp_path / 'w.safetensors',
    )
    run(tmp_path / 'a', load_from=str(tmp_path / 'w.safetensors'), train_cfg__max_iters=4)
    run(tmp_path / 'b', load_from=str(whole / 'final.pth'), train_cfg__max_iters=4)
    one, two = (read_checkpoint(tmp_path / name / 'final.pth')['state_dict'] for name in 'ab')
    assert all(torch.equal(one[key], two[key]) for key in two)


@pytest.mark.parametrize('room', [0, 1000, 4096, 65_536, 300_000, 399_000])
def test_a_disk_that_is_full_is_told_and_nothing_is_lost(tmp_path, room):
    """A limit on the size of files stands for it: it is refused in the same way."""
    path = tmp_path / 'a.pth'
    old = {'state_dict': {'a': torch.ones(3)}}
    write_checkpoint(old, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match=r'too large.*a\.pth|a\.pth.*too large'):
            write_checkpoint({'state_dict': {'a': torch.ones(100_000)}}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.equal(read_checkpoint(path)['state_dict']['a'], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ['a.pth']


def test_a_test_leaves_no_file_open(whole, tmp_path):
    def opened():
        return len(os.listdir('/proc/self/fd'))

    score(config(tmp_path), whole / 'final.pth')
    before = opened()
    for _ in range(3):
        score(config(tmp_path), whole / 'final.pth')
    assert opened() == before


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(tmp_path):
    with pytest.raises(ValueError, match=r'model: its weights need [\d,]+ GiB, this machine has'):
        prepare_training(config(tmp_path, model__network__width=10**12))


@pytest.mark.filterwarnings('ignore:This DataLoader will create:UserWarning')
@pytest.mark.parametrize('options', [{'batch_size': 10**7}, {'num_workers': 10**6}])
def test_batches_that_cannot_fit_are_refused(options, tmp_path):
    data = {
        '_delete_': True,
        'type': 'EmbeddedDataset',
        'degradations': {'noise': {'type': 'GaussianNoise', 'sigma': 25}},
    }
    given = {f'train_dataloader__{key}': value for key, value in options.items()}
    with pytest.raises(
        ValueError, match=r'train_dataloader: the images of [\d,]+ batches of \d+ need'
    ):
        prepare_training(config(tmp_path, train_dataloader__dataset=data, **given))


def test_bases_in_a_circle(tmp_path):
    (tmp_path / 'a.yaml').write_text('_base_: b.yaml\n')
    (tmp_path / 'b.yaml').write_text('_base_: [a.yaml]\n')
    (tmp_path / 'c.py').write_text("_base_ = ['a.yaml']\n")
    for name in ('a.yaml', 'b.yaml', 'c.py'):
        with pytest.raises(ValueError, match=r'bases go in a circle: .*a\.yaml.*b\.yaml'):
            load_config(tmp_path / name)


HOLD = 'import sys, time; print(1, flush=True); time.sleep(1.5)'


def test_a_sweep_waits_for_what_one_that_was_killed_left(tmp_path, capsys):
    """A training of it holds the lock, as it does after a SIGKILL of the sweep."""
    there = Run('row', 0, 'seed: 0\n', tmp_path)
    with (tmp_path / '.lock').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        left = subprocess.Popen(
            [sys.executable, '-c', HOLD], pass_fds=(file.fileno(),), stdout=subprocess.PIPE
        )
        left.stdout.readline()
        gone = subprocess.Popen(['true'])
        gone.wait()
        file.write(f'process {gone.pid} on {platform.node()}\n')
    (tmp_path / 'row.yaml').write_text('seed: 0\n')
    (tmp_path / 'results.json').write_text('[]')
    assert there.execute(None, {}, lambda process: None, threading.Event()) is None
    (tmp_path / 'results.json').unlink()

    def finish(process):
        pytest.fail('nothing is to be run')

    timer = threading.Timer(0.5, (tmp_path / 'results.json').write_text, ['[]'])
    timer.start()
    assert there.execute(None, {}, finish, threading.Event()) is None
    assert left.wait() == 0
    assert 'left here is waited for' in capsys.readouterr().out
    stopping = threading.Event()
    stopping.set()
    (tmp_path / 'results.json').unlink()
    assert 'in use' in there.execute(None, {}, finish, stopping)
