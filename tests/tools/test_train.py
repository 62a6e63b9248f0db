import os
import runpy
import signal
import subprocess
import sys

import pytest
import torch

from irbox.config.command_line import run_tool
from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT

pytestmark = pytest.mark.usefixtures('elsewhere')
TOOL = ROOT / 'tools/train.py'
TINY = ROOT / 'tests/support/tiny.yaml'


def train(*arguments):
    """Run the tool in this process; gives its exit code."""
    main = runpy.run_path(str(TOOL))['main']
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    return 0


def in_process(*arguments, launcher=(), **environment):
    """Run the tool in a process of its own, with one thread."""
    return subprocess.run(
        [sys.executable, *launcher, str(TOOL), *map(str, arguments)],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1'} | environment,
        capture_output=True,
        text=True,
    )


def errors(capsys):
    """Lines on stderr, mmengine's warnings aside."""
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if not line.startswith('WARNING: ')]


def test_trains_in_a_folder_named_for_the_config(elsewhere, capsys):
    assert train(TINY) == 0
    work_dir = elsewhere / 'work_dirs/tiny'
    assert (work_dir / 'final.pth').is_file()
    assert [file.name for file in elsewhere.iterdir()] == ['work_dirs']
    output = capsys.readouterr().out
    assert 'TinyNetwork, 229 weights and 12 frozen ones' in output
    assert 'iteration 12: mean PSNR' in output
    assert 'Finished. Weights:' in output


def test_the_command_line_wins_over_the_config(elsewhere):
    arguments = ['--work-dir', 'here', '--seed', 5, '--amp', '--cfg-options']
    assert train(TINY, *arguments, 'train_cfg.max_iters=4', 'model.network.width=6') == 0
    checkpoint = read_checkpoint(elsewhere / 'here/iter_4.pth')
    assert checkpoint['meta']['seed'] == 5
    assert 'amp: bf16' in checkpoint['meta']['cfg']
    assert checkpoint['state_dict']['network.layers.0.weight'].shape[0] == 6


def test_what_was_written_trains_again(elsewhere):
    assert train(TINY, '--work-dir', 'a', '--cfg-options', 'train_cfg.max_iters=4') == 0
    assert train('a/config.yaml', '--work-dir', 'b') == 0
    one, two = (read_checkpoint(elsewhere / name / 'final.pth')['state_dict'] for name in 'ab')
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_dry_run_writes_nothing(elsewhere, capsys):
    assert train(TINY, '--dry-run') == 0
    assert list(elsewhere.iterdir()) == []
    output = capsys.readouterr().out
    assert 'One iteration: loss 0.' in output
    assert '2 images x 2 accumulated' in output
    assert '12, validated every 4' in output


def test_epochs_are_turned_into_iterations(capsys):
    options = ['train_cfg.max_iters=None', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1']
    assert train(TINY, '--dry-run', '--cfg-options', *options) == 2
    assert 'give either max_iters or max_epochs' in capsys.readouterr().err
    options = ['train_cfg._delete_=True', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1']
    assert train(TINY, '--dry-run', '--cfg-options', *options) == 0
    output = capsys.readouterr().out
    assert '2 epochs of 10 samples at 2 per iteration are 10 iterations' in output


MISTAKES = [
    (['none.yaml'], 'Config none.yaml does not exist'),
    ([TINY, '--cfg-options', 'train_cfg.max_iter=3'], 'train_cfg.max_iter: '),
    ([TINY, '--cfg-options', 'model.network.type=TinyNetwrok'], "Did you mean 'TinyNetwork'"),
    ([TINY, '--cfg-options', 'model.network.widht=3'], "Did you mean 'width'"),
    ([TINY, '--cfg-options', 'optim_wrapper.optimizer.lr=fast'], 'optim_wrapper.optimizer.lr: '),
    ([TINY, '--cfg-options', 'plugins.0=none.py'], "'none.py' was not found"),
    ([TINY, '--cfg-options', 'train_cfg.val_interval=3'], 'must be a multiple'),
    ([TINY, '--cfg-options', 'train_dataloader.dataset.broken=True'], 'image_3.png: it is trunc'),
    ([TINY, '--resume', 'none.pth'], '--resume none.pth: there is no such file'),
    ([TINY, '--work-dir', '/proc/irbox'], 'The folder /proc/irbox cannot be written to'),
    ([TINY, '--amp', 'fp16'], 'amp=fp16 needs a CUDA GPU'),
    ([TINY, '--launcher', 'pytorch'], 'torchrun --nproc_per_node'),
    ([TINY, '--cfg-options', 'load_from=none.pth'], 'Checkpoint none.pth does not exist'),
    (
        [TINY, '--dry-run', '--cfg-options', 'load_from=nobody.pth'],
        'Checkpoint nobody.pth does not exist',
    ),
    ([TINY, '--dry-run', '--resume', 'nothing.pth'], '--resume nothing.pth: there is no such'),
]


@pytest.mark.parametrize(('arguments', 'message'), MISTAKES, ids=[text for _, text in MISTAKES])
def test_mistakes_are_told_in_one_line_and_leave_nothing(
    arguments, message, elsewhere, capsys, monkeypatch
):
    if torch.cuda.is_available() and 'fp16' in arguments:
        pytest.skip('there is a GPU')
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'IRBOX_DEBUG'):
        monkeypatch.delenv(name, raising=False)
    assert train(*arguments) == 2
    (error,) = errors(capsys)
    assert message in error
    if 'broken' not in str(arguments):  # which only the first batch shows
        assert list(elsewhere.iterdir()) == []


def test_weights_of_another_architecture_leave_nothing(elsewhere, tmp_path, capsys):
    assert train(TINY, '--work-dir', tmp_path / 'a') == 0
    resume = ['--resume', tmp_path / 'a', '--cfg-options', 'model.network.width=6']
    assert train(TINY, '--work-dir', 'b', *resume) == 2
    assert 'another architecture' in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_a_dry_run_checks_the_weights_as_a_training_does(elsewhere, tmp_path, capsys):
    assert train(TINY, '--work-dir', tmp_path / 'a', '--cfg-options', 'train_cfg.max_iters=2') == 0
    final = tmp_path / 'a/final.pth'
    dry = [TINY, '--dry-run', '--cfg-options', f'load_from={final}']
    assert train(*dry) == 0
    assert 'Dry run: nothing was written.' in capsys.readouterr().out
    assert train(*dry, 'model.network.width=6') == 2
    assert 'another architecture' in capsys.readouterr().err
    assert train(TINY, '--dry-run', '--resume', final) == 2
    assert 'holds weights only' in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


DEMO = ROOT / 'configs/m2restore_demo.py'
SMALL = ['train_dataloader.batch_size=1', 'train_dataloader.num_workers=0', 'val_dataloader=null']


@pytest.mark.parametrize('dry', [['--dry-run'], []], ids=['dry run', 'training'])
def test_a_network_without_routings_on_a_demo_config(dry, capsys):
    """It is told which losses need them, in one line."""
    foreign = ['model.network={_delete_: true, type: TinyNetwork}', 'model.losses.label=null']
    plugin = [f'plugins=[{TINY.with_name("tiny_parts.py")}]']
    options = ['--cfg-options', *plugin, *SMALL, 'val_evaluator=null', 'val_cfg=null', *foreign]
    assert train(DEMO, *dry, *options) == 2
    (error,) = errors(capsys)
    assert error.startswith('Error: model.losses.balance: BalanceLoss')
    assert 'routing' in error and 'null' in error


def test_a_label_that_the_config_does_not_know(capsys):
    sleet = '{_delete_: true, sleet: {type: Snow}}'
    data = [
        'train_dataloader.dataset.weights=null',
        f'train_dataloader.dataset.degradations={sleet}',
    ]
    options = [*SMALL, 'val_evaluator=null', 'val_cfg=null', *data]
    assert train(DEMO, '--dry-run', '--cfg-options', *options) == 2
    (error,) = errors(capsys)
    assert error.startswith("Error: model.losses.label: The label 'sleet' names sleet")
    assert 'leave the loss out' in error


def test_a_demo_of_four_iterations(elsewhere, capsys):
    options = ['train_cfg.max_iters=4', 'val_evaluator=null', 'val_cfg=null', *SMALL]
    assert train(DEMO, '--work-dir', 'short', '--cfg-options', *options) == 0
    output = capsys.readouterr().out
    (note,) = [line for line in output.splitlines() if 'schedule' in line]
    assert note.startswith(
        'Note: The schedule, longer than the training, is scaled to 4 iterations: '
    )
    assert note.endswith('logger interval 50 -> 4.')
    assert (elsewhere / 'short/final.pth').is_file()


def test_errors_of_worker_processes(capsys):
    options = ['train_dataloader.dataset.broken=True', 'train_dataloader.num_workers=1']
    assert train(TINY, '--cfg-options', *options) == 2
    assert errors(capsys) == ['Error: Cannot read image_3.png: it is truncated.']


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(elsewhere):
    """Killed in iteration 11, resumed from the checkpoint of iteration 8."""
    killer = 'custom_hooks=[]'
    plugin = elsewhere / 'killed.yaml'
    plugin.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\n'
        'custom_hooks: [{type: KillHook, iteration: 11}]\n'
    )
    assert in_process(plugin, '--work-dir', 'killed').returncode == -signal.SIGKILL
    assert sorted(file.name for file in (elsewhere / 'killed').glob('iter*')) == [
        'iter_4.pth',
        'iter_8.pth',
    ]
    assert train(plugin, '--work-dir', 'killed', '--resume', '--cfg-options', killer) == 0
    assert train(TINY, '--work-dir', 'whole') == 0
    one, two = (read_checkpoint(elsewhere / d / 'iter_12.pth') for d in ('killed', 'whole'))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(one[part][key], two[part][key]) for key in two[part])
    assert one['optimizer']['param_groups'] == two['optimizer']['param_groups']
    for key, state in two['optimizer']['state'].items():
        assert all(torch.equal(state[k], one['optimizer']['state'][key][k]) for k in state)


@pytest.mark.slow
def test_two_processes_equal_one_with_twice_the_batch(elsewhere):
    """Without noise and norms, which differ between processes."""
    options = [
        'model.network.noise=0.0',
        'model.network.norm=False',
        'ema=None',
        'train_cfg.max_iters=4',
        'optim_wrapper.optimizer.type=SGD',
    ]
    torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    shared = ['--launcher', 'pytorch', '--work-dir', 'two', '--cfg-options', *options]
    result = in_process(TINY, *shared, launcher=torchrun)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('Finished.') == 1
    assert 'Warning' not in result.stderr
    assert '2 images x 2 accumulated x 2 processes' in result.stdout
    assert not (elsewhere / '.dist_test').exists()
    assert (
        train(TINY, '--work-dir', 'one', '--cfg-options', *options, 'train_dataloader.batch_size=4')
        == 0
    )
    two, one = (read_checkpoint(elsewhere / name / 'iter_4.pth') for name in ('two', 'one'))
    assert two['meta']['draws'] == one['meta']['draws'] == 16
    for key, value in one['state_dict'].items():
        torch.testing.assert_close(two['state_dict'][key], value, rtol=1e-4, atol=1e-6)
    scores = [run['message_hub']['log_scalars'] for run in (two, one)]
    # The loss is the mean over the processes.
    for key in ('train/loss', 'val/mean/psnr', 'val/dark/input_psnr', 'val/mixed/darker/ssim'):
        assert scores[0][key][0] == pytest.approx(scores[1][key][0], rel=1e-4)
