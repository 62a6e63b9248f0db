import shutil

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.prepare import prepare_training
from irbox.engine.train import find_checkpoint, train
from irbox.registry import HOOKS
from support.paths import TINY


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(work_dir, resume=None, seed=None, **options):
    """Train the tiny config; gives what the RecordHook saw."""
    options = {key.replace('__', '.'): value for key, value in options.items()}
    options = {'custom_hooks': [{'type': 'RecordHook'}]} | options
    config = load_config(TINY, options | {'work_dir': str(work_dir)})
    record = HOOKS.get('RecordHook').losses
    record.clear()
    train(config, seed, find_checkpoint(config, resume))
    return list(record)


def content(work_dir, name='iter_12.pth'):
    checkpoint = read_checkpoint(work_dir / name)
    for key in ('cfg', 'time', 'experiment_name', 'run'):
        checkpoint['meta'].pop(key, None)
    return checkpoint


def assert_equal(one, two):
    """Equal to the bit, all the way down."""
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_equal(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for left, right in zip(one, two, strict=True):
            assert_equal(left, right)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    else:
        assert one == two


TRAINING = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'meta')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """An uninterrupted training: its work dir and its losses."""
    folder = tmp_path_factory.mktemp('whole')
    torch.set_num_threads(1)
    return folder, run(
        folder, default_hooks__checkpoint={'type': 'CheckpointHook', 'max_keep_ckpts': -1}
    )


def test_what_a_training_leaves(whole):
    folder, losses = whole
    assert [number for number, *_ in losses] == list(range(1, 13))
    names = {file.name for file in folder.iterdir() if file.is_file()}
    assert names >= {'iter_4.pth', 'iter_8.pth', 'iter_12.pth', 'final.pth', 'config.yaml'}
    assert sum(name.startswith('best_mean_psnr') for name in names) == 1
    assert not any('.tmp.' in name for name in names)


def test_every_checkpoint_loads_safely_and_leaves_frozen_weights_out(whole):
    for file in whole[0].glob('*.pth'):
        checkpoint = torch.load(file, weights_only=True)
        assert not any('prior' in key for key in checkpoint['state_dict']), file
        assert checkpoint['meta']['irbox_version']
        assert 'TinyNetwork' in checkpoint['meta']['cfg']


def test_final_weights_are_the_averaged_ones(whole):
    final, last = content(whole[0], 'final.pth'), content(whole[0])
    assert final['meta']['iter'] == 12
    assert set(final) == {'meta', 'state_dict'}
    averaged = {
        key.removeprefix('module.'): value
        for key, value in last['ema_state_dict'].items()
        if key != 'steps'
    }
    # Checkpoints hold the average where it is looked for, and the trained weights beside it.
    assert_equal(dict(final['state_dict']), dict(last['state_dict']))
    weight = 'network.layers.0.weight'
    assert not torch.equal(averaged[weight], last['state_dict'][weight])


def test_two_runs_with_one_seed_are_equal(whole, tmp_path):
    assert run(tmp_path) == whole[1]
    for key in TRAINING:
        assert_equal(content(tmp_path)[key], content(whole[0])[key])


def test_worker_processes_change_nothing(whole, tmp_path):
    assert run(tmp_path / 'a', train_dataloader__num_workers=2) == whole[1]
    shutil.copy(whole[0] / 'iter_8.pth', tmp_path)
    resumed = run(tmp_path, resume='auto', train_dataloader__num_workers=1)
    assert resumed == whole[1][8:]


def test_another_seed_is_another_training(whole, tmp_path):
    assert run(tmp_path, seed=1) != whole[1]


@pytest.mark.parametrize('iteration', [4, 8])
def test_a_resumed_training_equals_an_uninterrupted_one(whole, tmp_path, iteration):
    shutil.copy(whole[0] / f'iter_{iteration}.pth', tmp_path)
    assert run(tmp_path, resume='auto') == whole[1][iteration:]
    for key in TRAINING:
        assert_equal(content(tmp_path)[key], content(whole[0])[key])
    assert_equal(content(tmp_path, 'final.pth'), content(whole[0], 'final.pth'))


def test_resuming_passes_over_damaged_files(whole, tmp_path):
    shutil.copy(whole[0] / 'iter_4.pth', tmp_path)
    data = (whole[0] / 'iter_8.pth').read_bytes()
    (tmp_path / 'iter_8.pth').write_bytes(data[: len(data) // 2])
    (tmp_path / 'iter_8.pth.tmp.123').write_bytes(b'')
    assert run(tmp_path, resume='auto') == whole[1][4:]
    assert not list(tmp_path.glob('*.tmp.*'))


def test_resuming_from_a_file_or_folder_elsewhere(whole, tmp_path):
    assert run(tmp_path / 'a', resume=whole[0] / 'iter_8.pth') == whole[1][8:]
    shutil.copytree(whole[0], tmp_path / 'copy')
    (tmp_path / 'copy' / 'iter_12.pth').unlink()
    assert run(tmp_path / 'b', resume=tmp_path / 'copy') == whole[1][8:]


def test_resuming_where_there_is_nothing(whole, tmp_path):
    assert run(tmp_path, resume='auto') == whole[1]
    with pytest.raises(FileNotFoundError, match=r'none\.pth: there is no such file'):
        run(tmp_path, resume=tmp_path / 'none.pth')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match=r'holds no checkpoint iter_\*\.pth'):
        run(tmp_path, resume=tmp_path / 'empty')


def test_a_finished_training_has_nothing_to_do(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / 'copy')
    assert run(tmp_path / 'copy', resume='auto') == []


def test_a_copied_work_dir_leaves_the_original_alone(whole, tmp_path):
    """The copy's next best checkpoint replaces its own, not the original's."""
    original, copy = tmp_path / 'original', tmp_path / 'copy'
    run(original, train_cfg__max_iters=8)
    shutil.copytree(original, copy)
    before = {file.name for file in original.iterdir()}
    run(copy, resume='auto')
    assert {file.name for file in original.iterdir()} == before
    assert (copy / 'last_checkpoint').read_text() == str(copy / 'iter_12.pth')
    assert len(list(copy.glob('best_*'))) == 1


def test_a_validation_that_was_interrupted_is_made_up_for(whole, tmp_path):
    """The checkpoint is written before the validation of the same iteration."""
    checkpoint = read_checkpoint(whole[0] / 'iter_8.pth')
    info = checkpoint['message_hub']['runtime_info']
    info['evaluated_at'], info['best_score'] = 4, -1.0
    torch.save(checkpoint, tmp_path / 'iter_8.pth')
    run(tmp_path, resume='auto', train_cfg__max_iters=8)
    assert [file.name for file in tmp_path.glob('best_*')] == ['best_mean_psnr_iter_8.pth']


def test_a_training_that_goes_on_after_its_schedule_says_at_which_rate(whole, tmp_path, capsys):
    shutil.copy(whole[0] / 'iter_12.pth', tmp_path)
    run(tmp_path, resume='auto', train_cfg__max_iters=16)
    scalars = content(tmp_path, 'iter_16.pth')['message_hub']['log_scalars']
    rates = scalars['train/lr'][0][-4:]
    assert len(set(rates)) == 1
    said = 'The schedule ended at iteration 12: the training goes on to 16 at a learning rate of '
    (line,) = [line for line in capsys.readouterr().out.splitlines() if 'schedule' in line]
    assert line == f'{said}{rates[0]:.3g}.'
    (log,) = tmp_path.glob('*/*.log')
    assert line in log.read_text()


def test_a_training_that_is_made_longer_says_how_far_its_schedule_goes(whole, tmp_path, capsys):
    shutil.copy(whole[0] / 'iter_8.pth', tmp_path)
    run(tmp_path, resume='auto', train_cfg__max_iters=16)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if 'schedule' in line]
    assert line.startswith(
        'The schedule goes on to iteration 12, as it was begun; from there to 16'
    )


def test_a_training_that_is_resumed_as_it_was_says_nothing_of_its_schedule(whole, tmp_path, capsys):
    shutil.copy(whole[0] / 'iter_8.pth', tmp_path)
    run(tmp_path, resume='auto')
    assert 'schedule' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'options', 'seed', 'message'),
    [
        ('final.pth', {}, None, 'holds weights only.*load_from='),
        ('iter_8.pth', {}, 3, 'was trained with seed 0, this run has seed 3'),
        ('iter_8.pth', {'ema': None}, None, 'was trained with averaged weights.*without'),
        (
            'iter_8.pth',
            {'model__network__width': 8},
            None,
            'another architecture.*of another shape',
        ),
        ('iter_8.pth', {'param_scheduler': None}, None, '2 parameter schedulers'),
    ],
)
def test_what_cannot_be_resumed(whole, tmp_path, name, options, seed, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, resume=whole[0] / name, seed=seed, **options)


def test_starting_from_weights(whole, tmp_path):
    losses = run(tmp_path, load_from=str(whole[0] / 'final.pth'))
    assert losses[0][0] == 1
    assert losses[0][1] < whole[1][0][1]


def test_a_diverging_training_stops_and_keeps_its_last_good_checkpoint(tmp_path):
    limit = {'default_hooks__finite_steps': {'type': 'FiniteStepsHook', 'limit': 1}}
    with pytest.raises(FloatingPointError, match='diverged: in iteration 8.*clip'):
        run(tmp_path, model__network__spoil_at=7, **limit)
    state = content(tmp_path, 'iter_4.pth')['state_dict']
    assert all(value.isfinite().all() for value in state.values())
    assert not (tmp_path / 'iter_8.pth').exists()


def test_bfloat16_on_a_cpu(whole, tmp_path):
    losses = run(tmp_path, amp='bf16')
    exact = [loss for _, loss, _ in whole[1]]
    assert [loss for _, loss, _ in losses] != exact
    assert [loss for _, loss, _ in losses] == pytest.approx(exact, rel=0.02)
    assert content(tmp_path)['state_dict']['network.layers.0.weight'].dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('amp', ['bf16', 'fp16'])
def test_mixed_precision_on_a_gpu(tmp_path, amp):
    exact = run(tmp_path / 'exact')
    losses = run(tmp_path / amp, amp=amp)
    assert [loss for _, loss, _ in losses] == pytest.approx(
        [loss for _, loss, _ in exact], rel=0.05
    )
    assert ('loss_scaler' in content(tmp_path / amp)['optimizer']) == (amp == 'fp16')
    (tmp_path / amp / 'iter_12.pth').unlink()
    resumed = run(tmp_path / amp, resume='auto', amp=amp)
    assert [number for number, *_ in resumed] == [9, 10, 11, 12]


def test_accumulating_two_batches_equals_one_twice_as_large(tmp_path):
    """Without noise and norms, whose statistics depend on the batch."""
    quiet = {
        'model__network__noise': 0.0,
        'model__network__norm': False,
        'train_dataloader__sampler': {'type': 'DrawSampler', 'shuffle': False},
        'optim_wrapper__optimizer': {'type': 'SGD', 'lr': 0.1},
        'param_scheduler': None,
        'ema': None,
    }
    run(tmp_path / 'two', **quiet)
    run(
        tmp_path / 'one',
        **quiet,
        optim_wrapper__accumulative_counts=1,
        train_dataloader__batch_size=4,
        train_cfg__max_iters=6,
        train_cfg__val_interval=2,
    )
    two, one = content(tmp_path / 'two'), content(tmp_path / 'one', 'iter_6.pth')
    torch.testing.assert_close(two['state_dict'], one['state_dict'], rtol=1e-5, atol=1e-6)
    assert two['meta']['draws'] == one['meta']['draws'] == 24


def test_gradients_are_clipped(tmp_path):
    run(
        tmp_path / 'a',
        optim_wrapper__clip_grad={'max_norm': 1e-9},
        optim_wrapper__optimizer={'type': 'SGD', 'lr': 1.0},
        ema=None,
        param_scheduler=None,
    )
    start = prepare_training(load_config(TINY)).model.state_dict()
    moved = content(tmp_path / 'a')['state_dict']
    weight = 'network.layers.0.weight'
    assert 0 <= (moved[weight] - start[weight]).abs().max() < 1e-6


def test_learning_rates_warm_up_and_follow_a_cosine(whole):
    """0.1 to 1 of 1e-2 within 3 iterations, then down to 1e-4 in the last."""
    lrs = content(whole[0])['message_hub']['log_scalars']['train/lr'][0]
    assert lrs[0] == pytest.approx(1e-3)
    assert lrs[3] == pytest.approx(max(lrs))
    assert lrs[4:] == sorted(lrs[4:], reverse=True)
    assert lrs[-1] < 1e-3


def test_the_terminal_stays_clean(tmp_path, capsys):
    run(tmp_path)
    output = capsys.readouterr()
    assert 'Failed to search registry' not in output.out + output.err
    assert 'scheduler.step' not in output.err
    assert len(output.out.splitlines()) < 30
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'Iter(train) [ 2/12]' in log and 'torch: ' in log and 'TinyNetwork' in log
    assert 'Failed to search registry' not in log


def test_the_log_leads_with_what_matters(tmp_path):
    run(tmp_path)
    (path,) = tmp_path.glob('*/*.log')
    log = path.read_text()
    lines = log.splitlines()
    first = next(number for number, line in enumerate(lines) if 'Iter(train)' in line)
    assert first < 40  # of 190 that mmengine would write
    head = '\n'.join(lines[:first])
    assert 'Environment:' in head and 'training samples: 10 in an epoch' in head
    assert f'The whole config: {path.with_name("config.yaml")}' in head
    assert path.with_name('config.yaml').read_text() == (tmp_path / 'config.yaml').read_text()
    for text in ('Hooks will be', 'SyncBatchNorm', 'init_weights', 'deprecated', 'TinyPairs'):
        assert text not in log, text


def test_what_mmengine_says_of_itself_is_there_for_those_who_ask(tmp_path):
    run(tmp_path, log_level='DEBUG', train_cfg__max_iters=4)
    (path,) = tmp_path.glob('*/*.log')
    assert 'Hooks will be executed in the following order' in path.read_text()


def test_errors_in_hooks_keep_their_place(tmp_path):
    compat.init()
    prepared = prepare_training(load_config(TINY, {'work_dir': str(tmp_path)}))
    runner = prepared.runner()

    def fails(runner):
        return None + 1

    runner.hooks[0].on_trial = fails
    with pytest.raises(TypeError) as caught:
        runner.call_hook('on_trial')
    assert caught.traceback[-1].name == 'fails'
