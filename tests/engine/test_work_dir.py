"""Work dirs that were used before, cannot be read, or hold what is damaged: real trainings."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint, write_checkpoint
from irbox.engine.train import find_checkpoint, train
from irbox.engine.work_dir import check_progress, claim, newest_checkpoint, note_end
from irbox.utils.files import locked
from support.paths import ROOT, TINY

WEIGHTS = {'layer.weight': torch.arange(6.0)}


def run(work_dir, resume=None, **options):
    options = {key.replace('__', '.'): value for key, value in options.items()}
    config = load_config(TINY, options | {'work_dir': str(work_dir)})
    train(config, None, find_checkpoint(config, resume))


def names(folder):
    return sorted(file.name for file in folder.glob('iter_*'))


def identity(path):
    return read_checkpoint(path)['meta']['run']


def write(folder, *iterations, run=''):
    for iteration in iterations:
        content = {'state_dict': WEIGHTS, 'meta': {'run': run, 'iter': iteration}}
        write_checkpoint(content, folder / f'iter_{iteration}.pth')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    run(folder)
    return folder


@pytest.fixture
def nobody():
    """A folder, and the rights of somebody who may not do everything."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    if user == 0:
        os.seteuid(user)
    for path in [folder, *folder.rglob('*')]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_read_is_an_error(nobody):
    user = os.geteuid()
    os.seteuid(os.getuid())
    write(nobody, 4, 8)
    (nobody / 'iter_8.pth').chmod(0)
    if user != os.geteuid():
        os.seteuid(user)
    with pytest.raises(PermissionError, match=r'iter_8\.pth'):
        newest_checkpoint(nobody)


def test_a_folder_that_cannot_be_listed_is_an_error(nobody):
    user = os.geteuid()
    os.seteuid(os.getuid())
    write(nobody, 4)
    nobody.chmod(0o311)
    if user != os.geteuid():
        os.seteuid(user)
    with pytest.raises(PermissionError, match='cannot be listed'):
        newest_checkpoint(nobody)


def test_checkpoints_of_which_none_can_be_used_are_an_error(tmp_path, whole):
    for name in ('iter_8.pth', 'iter_12.pth'):
        (tmp_path / name).write_bytes((whole / name).read_bytes()[:5000])
    with pytest.raises(ValueError, match=r'None of 2 checkpoints.*iter_12\.pth is damaged'):
        run(tmp_path, 'auto')
    assert names(tmp_path) == ['iter_12.pth', 'iter_8.pth']
    # Anew only when asked, and then nothing is lost either.
    run(tmp_path, train_cfg__max_iters=4)
    assert names(tmp_path) == ['iter_4.pth']
    assert names(tmp_path / 'previous-1') == ['iter_12.pth', 'iter_8.pth']


def test_what_a_finished_run_left_is_no_start(tmp_path, whole):
    shutil.copy(whole / 'final.pth', tmp_path)
    with pytest.raises(ValueError, match=r'has final\.pth, but no iter_\*\.pth'):
        run(tmp_path, 'auto')


def test_a_used_folder_is_set_aside(tmp_path, whole):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / 'notes.txt').write_text('mine')
    before = {path.name: path.read_bytes() for path in whole.glob('*.*') if path.is_file()}
    run(tmp_path, train_cfg__max_iters=4)
    for name, content in before.items():
        if name != '.training.lock':
            assert (tmp_path / 'previous-1' / name).read_bytes() == content, name
    assert names(tmp_path) == ['iter_4.pth'] and (tmp_path / 'notes.txt').is_file()
    assert identity(tmp_path / 'iter_4.pth') != identity(whole / 'iter_12.pth')
    run(tmp_path, train_cfg__max_iters=4)
    assert names(tmp_path / 'previous-2') == ['iter_4.pth']


@pytest.mark.slow
def test_killed_in_a_used_folder_and_resumed_is_the_new_run(tmp_path, whole):
    """20ad5ae took the older run's higher number and called it finished."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    killed = tmp_path.with_name('killed.yaml')
    killed.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\n'
        'randomness: {seed: 7}\ncustom_hooks: [{type: KillHook, iteration: 6}]\n'
    )
    tool = [sys.executable, ROOT / 'tools/train.py', killed, '--work-dir', tmp_path]
    assert subprocess.run(tool, capture_output=True).returncode == -9
    assert names(tmp_path) == ['iter_4.pth']
    run(tmp_path, 'auto', randomness__seed=7)
    assert read_checkpoint(tmp_path / 'final.pth')['meta']['seed'] == 7
    identities = {identity(path) for path in tmp_path.glob('*.pth')}
    assert identities == {json.loads((tmp_path / 'run.json').read_text())['run']}
    assert identities != {identity(whole / 'final.pth')}


def test_only_files_of_the_same_run_are_resumed(tmp_path):
    write(tmp_path, 4, run='a')
    write(tmp_path, 8, run='b')
    with pytest.raises(ValueError, match='checkpoints of several runs'):
        newest_checkpoint(tmp_path)
    claim(tmp_path, 'a', 4, 'x.yaml')
    assert names(tmp_path) == ['iter_4.pth'] and names(tmp_path / 'previous-1') == ['iter_8.pth']
    write(tmp_path, 8, run='b')
    assert newest_checkpoint(tmp_path).name == 'iter_4.pth'
    (tmp_path / 'iter_4.pth').unlink()
    with pytest.raises(ValueError, match=r'not of the run of .*run\.json'):
        newest_checkpoint(tmp_path)


def test_going_back_sets_aside_what_came_later(tmp_path, whole):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    run(tmp_path, tmp_path / 'iter_8.pth')
    assert 'iter_12.pth' in names(tmp_path / 'previous-1')
    assert identity(tmp_path / 'iter_12.pth') == identity(whole / 'iter_12.pth')
    assert find_checkpoint(load_config(TINY, {'work_dir': str(tmp_path)}), 'auto').name == (
        'iter_12.pth'
    )


def test_weights_to_start_from_are_found_where_they_went(tmp_path, whole):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    run(tmp_path, load_from=str(tmp_path / 'final.pth'), train_cfg__max_iters=4)
    assert names(tmp_path) == ['iter_4.pth']


@pytest.mark.parametrize('spelt', ['absolute', 'home', 'link', 'linked folder'])
def test_weights_to_start_from_are_found_however_they_are_spelt(
    tmp_path, whole, monkeypatch, spelt
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    shutil.copytree(whole, tmp_path / 'work')
    (tmp_path / 'link.pth').symlink_to('work/final.pth')
    (tmp_path / 'linked').symlink_to('work')
    path = {
        'absolute': tmp_path / 'work/final.pth',
        'home': '~/work/final.pth',
        'link': 'link.pth',
        'linked folder': 'linked/final.pth',
    }[spelt]
    run(
        'work',
        load_from=str(path),
        train_cfg__max_iters=2,
        val_dataloader=None,
        train_cfg__val_interval=2,
    )
    assert names(tmp_path / 'work') == ['iter_2.pth']


def test_final_weights_of_another_name_are_set_aside_too(tmp_path, capsys):
    hook = {'type': 'FinalWeightsHook', 'filename': 'model.pth'}
    options = {'train_cfg__max_iters': 4, 'default_hooks__final_weights': hook}
    run(tmp_path, **options)
    assert f'Weights: {tmp_path / "model.pth"}' in capsys.readouterr().out.replace('\n', '')
    before = (tmp_path / 'model.pth').read_bytes()
    torch.save([1.0], tmp_path / 'mine.pth')
    write_checkpoint({'state_dict': WEIGHTS, 'meta': {'run': 'a'}}, tmp_path / 'given.pth')
    run(tmp_path, **options | {'default_hooks__final_weights': None})
    assert 'Weights:' not in capsys.readouterr().out
    assert (tmp_path / 'previous-1/model.pth').read_bytes() == before
    # What this folder's run did not write stays where somebody put it.
    assert {'mine.pth', 'given.pth'} <= {path.name for path in tmp_path.glob('*.pth')}
    assert not (tmp_path / 'model.pth').exists()


def test_a_file_of_another_run_is_not_deleted(tmp_path, whole, capsys):
    """Its name is on the list of what this run wrote, its content is not this run's."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    write(tmp_path, 8, run='somebody')
    run(tmp_path, 'auto', train_cfg__max_iters=16)
    assert names(tmp_path) == ['iter_12.pth', 'iter_16.pth']
    assert names(tmp_path / 'previous-1') == ['iter_8.pth']
    write(tmp_path, 12, run='somebody')
    os.rename(tmp_path / 'iter_16.pth', tmp_path / 'x.pth')
    run(tmp_path, tmp_path / 'x.pth', train_cfg__max_iters=20)
    assert identity(tmp_path / 'previous-2/iter_12.pth') == 'somebody'


def test_one_training_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr('irbox.engine.train.WAIT', 0.3)
    with (
        locked(tmp_path / '.training.lock'),
        pytest.raises(BlockingIOError, match=rf'in use by another run \(process {os.getpid()} on'),
    ):
        run(tmp_path)
    run(tmp_path, train_cfg__max_iters=4)


def test_the_newest_that_can_be_read(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for iteration in (4, 8, 16, 100):
        write_checkpoint({'state_dict': WEIGHTS}, tmp_path / f'iter_{iteration}.pth')
    write_checkpoint({'state_dict': WEIGHTS}, tmp_path / 'best_mean_psnr_iter_200.pth')
    assert newest_checkpoint(tmp_path).name == 'iter_100.pth'
    damaged = tmp_path / 'iter_100.pth'
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (tmp_path / 'iter_16.pth').write_bytes(b'')
    (tmp_path / 'last_checkpoint').write_text('/somewhere/else/iter_100.pth')
    assert newest_checkpoint(tmp_path).name == 'iter_8.pth'


def crash(*_, **__):
    raise MemoryError('the machine')


@pytest.mark.parametrize('begun', [False, True])
def test_a_training_that_crashes_at_the_same_step_is_not_started_for_ever(
    tmp_path, monkeypatch, begun
):
    if begun:
        run(tmp_path, train_cfg__max_iters=4)
    with monkeypatch.context() as patched:
        patched.setattr('irbox.engine.loops.iteration_train_loop.IterationTrainLoop.run', crash)
        for _ in range(3):
            with pytest.raises(MemoryError):
                run(tmp_path, 'auto')
        iteration = 4 if begun else 0
        with pytest.raises(ValueError, match=f'latest 3 starts in .* after iteration {iteration} '):
            run(tmp_path, 'auto')
    # Asked for by name it is tried again, and after a training that ended by itself all is well.
    run(tmp_path, tmp_path / 'iter_4.pth' if begun else None)
    for _ in range(4):
        run(tmp_path, 'auto')
    assert names(tmp_path)[0] == 'iter_12.pth'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'ema': None}, 'this run is without them'),
        ({'param_scheduler': []}, '2 parameter schedulers'),
        ({'optim_wrapper__optimizer__type': 'SGD'}, 'does not fit optim_wrapper'),
        ({'train_dataloader__sampler': {'type': 'InfiniteSampler'}}, 'cannot start in the middle'),
    ],
)
def test_a_mistake_is_found_before_anything_is_moved(tmp_path, whole, options, message):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tmp_path / 'iter_8.pth', **options)
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_mistakes_that_are_found_late_do_not_count_as_starts(tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError('a hook wants something else')

    with monkeypatch.context() as patched:
        patched.setattr('irbox.engine.loops.iteration_train_loop.IterationTrainLoop.run', refuse)
        for _ in range(4):
            with pytest.raises(ValueError, match='something else'):
                run(tmp_path, 'auto')
    assert json.loads((tmp_path / 'run.json').read_text())['unfinished'] == []


def test_progress_between_crashes_is_no_loop(tmp_path):
    for iteration in (0, 0, 4, 4, 8, 8, 8):
        check_progress(tmp_path, tmp_path / f'iter_{iteration}.pth')
        claim(tmp_path, 'a', iteration, 'config')
    with pytest.raises(ValueError, match='after iteration 8 '):
        check_progress(tmp_path, tmp_path / 'iter_8.pth')
    note_end(tmp_path)
    check_progress(tmp_path, tmp_path / 'iter_8.pth')
