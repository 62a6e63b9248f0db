"""Several processes compute what one does."""

import json
import os
import runpy
import time
from pathlib import Path

import pytest
import torch

from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT, TINY
from support.torchrun import torchrun
from support.training import train_here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('elsewhere')]
# Noise and norms differ between processes; Adam divides small gradients by themselves.
ALIKE = {
    'model.network.noise': 0.0,
    'model.network.norm': False,
    'optim_wrapper.optimizer.type': 'SGD',
    'param_scheduler': None,
    'ema': None,
    'train_dataloader.batch_size': 8,
    'train_dataloader.dataset.length': 37,
    'train_cfg.max_iters': 8,
}


def alone(folder, resume=None, **options):
    train_here(TINY, folder, resume, **(ALIKE | options))


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """One process with the whole batch."""
    folder = tmp_path_factory.mktemp('one')
    alone(folder)
    return read_checkpoint(folder / 'iter_8.pth')


def assert_alike(found, one):
    assert found['meta']['draws'] == one['meta']['draws']
    for key, value in one['state_dict'].items():
        torch.testing.assert_close(found['state_dict'][key], value, rtol=0, atol=1e-6)
    losses = [content['message_hub']['log_scalars']['train/loss'][0] for content in (found, one)]
    assert len(losses[0]) == 8 and losses[0] == pytest.approx(losses[1], rel=0, abs=1e-6)


@pytest.mark.parametrize('number', [2, 4])
def test_losses_and_weights_are_those_of_one_process(one, number):
    batch = {'train_dataloader.batch_size': 8 // number}
    result = torchrun(number, 'train', TINY, '--work-dir', 'many', **(ALIKE | batch))
    assert result.returncode == 0, result.stderr
    assert f'2 accumulated x {number} processes' in result.stdout
    assert 'as given, whatever the batch' in result.stdout
    assert_alike(read_checkpoint('many/iter_8.pth'), one)


def test_a_static_graph_and_buckets_of_another_size():
    switches = {'static_graph': True, 'gradient_as_bucket_view': True, 'bucket_cap_mb': 1}
    options = {f'model_wrapper_cfg.{key}': value for key, value in switches.items()}
    options |= ALIKE | {'optim_wrapper.accumulative_counts': 1}
    batch = {'train_dataloader.batch_size': 4}
    result = torchrun(2, 'train', TINY, '--work-dir', 'many', **(options | batch))
    assert result.returncode == 0, result.stderr
    alone('one', **{'optim_wrapper.accumulative_counts': 1})
    assert_alike(*(read_checkpoint(f'{name}/iter_8.pth') for name in ('many', 'one')))


def test_bfloat16_on_two_processes_as_on_one():
    """Products are rounded; what is exchanged and kept is float32."""
    options = ALIKE | {'amp': 'bf16'}
    torchrun_options = options | {'train_dataloader.batch_size': 4}
    result = torchrun(2, 'train', TINY, '--work-dir', 'many', **torchrun_options)
    assert result.returncode == 0, result.stderr
    alone('one', amp='bf16')
    alone('exact')
    many, one, exact = (
        read_checkpoint(f'{name}/iter_8.pth')['state_dict'] for name in ('many', 'one', 'exact')
    )
    assert {value.dtype for value in many.values()} == {torch.float32}
    for key, value in one.items():
        rounding = (value - exact[key]).abs().max()
        assert (many[key] - value).abs().max() <= max(rounding, 1e-6), key


def test_one_of_two_killed_and_resumed_by_one(one, tmp_path):
    """The other ends within a minute; the samples go on where they were."""
    path = tmp_path / 'killed.yaml'
    path.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\n'
        'custom_hooks: [{type: KillHook, iteration: 7, rank: 1}]\n'
    )
    batch = {'train_dataloader.batch_size': 4}
    result = torchrun(2, 'train', path, '--work-dir', 'many', **(ALIKE | batch))
    assert result.returncode != 0
    # Since the last sign of life before it; starting is another matter.
    assert time.time() - os.path.getmtime('many/iter_4.pth') < 60
    assert 'Signal 9 (SIGKILL)' in result.stderr and 'local_rank: 1' in result.stderr
    assert not os.path.exists('many/final.pth')
    assert read_checkpoint('many/iter_4.pth')['meta']['draws'] == 32
    alone('many', 'auto')
    assert_alike(read_checkpoint('many/iter_8.pth'), one)


def test_uneven_shards_have_the_scores_of_one_process():
    alone('one')
    whole = {
        'val_dataloader.dark.dataset.length': 3,
        'val_dataloader.mixed.dataset.length': 5,
        'val_dataloader.mixed.batch_size': 1,
    }
    given = [f'{key}={value}' for key, value in whole.items()]
    main = runpy.run_path(str(ROOT / 'tools/test.py'))['main']
    arguments = [str(TINY), 'one/final.pth', '--work-dir', 'tested']
    quiet = ['--cfg-options', 'model.network.noise=0.0', 'model.network.norm=False']
    main([*arguments, *quiet, *given])
    expected = json.loads(Path('tested/results.json').read_text())
    for number in (2, 4):
        options = whole | {key: ALIKE[key] for key in ALIKE if key.startswith('model.')}
        folder = f'tested_{number}'
        result = torchrun(number, 'test', TINY, 'one/final.pth', '--work-dir', folder, **options)
        assert result.returncode == 0, result.stderr
        assert json.loads(Path(folder, 'results.json').read_text()) == expected
