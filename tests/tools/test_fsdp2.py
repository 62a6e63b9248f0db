"""Weights shared out among two processes train as those of one."""

import runpy
from pathlib import Path

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.prepare import prepare_training
from support.paths import ROOT, TINY
from support.torchrun import torchrun
from support.training import train_here

pytestmark = pytest.mark.usefixtures('elsewhere')

ALIKE = {
    'model.network.noise': 0.0,
    'model.network.norm': False,
    'model.network.blocks': 3,
    'model.network.block_noise': 0.0,
    'optim_wrapper.optimizer.weight_decay': 0.1,
    'train_cfg.max_iters': 8,
    'train_dataloader.batch_size': 4,
}
SHARDED = ALIKE | {
    'strategy': 'fsdp2',
    'recompute_blocks': True,
    'train_dataloader.batch_size': 2,
}


def alone(folder, resume=None, **options):
    train_here(TINY, folder, resume, **(ALIKE | options))


def assert_alike(found, expected):
    for part in ('state_dict', 'ema_state_dict'):
        assert set(found[part]) == set(expected[part])
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=1e-5)
    for number, state in expected['optimizer']['state'].items():
        torch.testing.assert_close(found['optimizer']['state'][number], state, rtol=0, atol=1e-5)
    losses = [one['message_hub']['log_scalars']['train/loss'][0] for one in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=0, abs=1e-5)
    scores = [one['message_hub']['log_scalars']['val/mean/psnr'][0] for one in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], rel=0, abs=1e-3)


@pytest.mark.slow
def test_two_processes_equal_one():
    alone('one')
    whole = read_checkpoint('one/iter_8.pth')
    result = torchrun(2, 'train', TINY, '--work-dir', 'two', **SHARDED)
    assert result.returncode == 0, result.stderr
    assert 'Warning' not in result.stderr
    # Each process wrote its part.
    assert len(list(Path('two/iter_8.shards').glob('*.safetensors'))) == 2
    assert_alike(read_checkpoint('two/iter_8.pth'), whole)
    finals = [read_checkpoint(f'{name}/final.pth')['state_dict'] for name in ('one', 'two')]
    torch.testing.assert_close(*finals, rtol=0, atol=1e-5)

    # Resumed by one process, and by two that share the weights out.
    for name in ('two/iter_8.pth', 'two/iter_8.shards'):
        Path(name).rename(name.replace('8', '8_aside'))
    result = torchrun(2, 'train', TINY, '--work-dir', 'two', '--resume', **SHARDED)
    assert result.returncode == 0, result.stderr
    assert 'Resuming from two/iter_4.pth' in result.stdout
    assert_alike(read_checkpoint('two/iter_8.pth'), whole)
    alone('again', 'two/iter_4.pth')
    assert_alike(read_checkpoint('again/iter_8.pth'), whole)

    # One file of it, for all that reads files.
    main = runpy.run_path(str(ROOT / 'tools/consolidate.py'))['main']
    assert main(['two/iter_8.pth', 'whole.pth']) == 0
    assert_alike(torch.load('whole.pth', weights_only=True), whole)


@pytest.mark.slow
def test_four_processes_equal_one():
    alone('one')
    four = SHARDED | {'train_dataloader.batch_size': 1}
    result = torchrun(4, 'train', TINY, '--work-dir', 'four', **four)
    assert result.returncode == 0, result.stderr
    assert_alike(*(read_checkpoint(f'{name}/iter_8.pth') for name in ('four', 'one')))


@pytest.mark.slow
def test_bfloat16_learns_and_keeps_float32():
    """By autocast; what is gathered, reduced, averaged and saved stays float32."""
    options = {'amp': 'bf16', 'train_cfg.max_iters': 24, 'train_cfg.val_interval': 24}
    result = torchrun(2, 'train', TINY, '--work-dir', 'two', **(SHARDED | options))
    assert result.returncode == 0, result.stderr
    found = read_checkpoint('two/iter_24.pth')
    for part in ('state_dict', 'ema_state_dict'):
        kinds = {v.dtype for v in found[part].values() if v.is_floating_point()}
        assert kinds == {torch.float32}
    alone('one', **options)
    whole = read_checkpoint('one/iter_24.pth')
    losses = [one['message_hub']['log_scalars']['train/loss'][0] for one in (found, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert sum(losses[0][-8:]) < 0.75 * sum(losses[0][:8])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'Start several, by torchrun'),
        ({'launcher': 'pytorch', 'compile_blocks': True}, 'compile_blocks both replace'),
        ({'launcher': 'pytorch', 'amp': 'fp16'}, 'not go together with amp=fp16'),
        (
            {'launcher': 'pytorch', 'model_wrapper_cfg.static_graph': True},
            'not go together with model_wrapper_cfg',
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        prepare_training(load_config(TINY, SHARDED | options))


def test_recomputed_blocks_compute_the_same():
    """In one process, whose noise is torch's own; each block runs twice as often."""
    noisy = {'model.network.block_noise': 0.1}
    alone('plain', **noisy)
    alone('again', **noisy, recompute_blocks=True)
    plain, again = (read_checkpoint(f'{name}/iter_8.pth') for name in ('plain', 'again'))
    assert all(
        torch.equal(again['state_dict'][key], value) for key, value in plain['state_dict'].items()
    )
