"""Two processes that are no longer alike, or of which one is slow."""

import os

import pytest
import torch
from torch import nn

from irbox.engine.hooks.replicas_hook import digests
from support.paths import TINY
from support.torchrun import torchrun


@pytest.mark.slow
def test_one_is_slow_and_then_another_than_the_others(tmp_path):
    path = tmp_path / 'drift.yaml'
    path.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\n'
        'custom_hooks: [{type: DriftHook, iteration: 9, rank: 1, seconds: 0.3}]\n'
        'default_hooks:\n  replicas: {type: ReplicasHook, timing: 4, interval: 500}\n'
    )
    work_dir = tmp_path / 'run'
    seed = {'randomness.seed': 0}
    result = torchrun(2, 'train', path, '--work-dir', work_dir, **seed)
    assert result.returncode != 0
    warnings = [line for line in result.stderr.splitlines() if 'a step more' in line]
    assert len(warnings) == 1, result.stderr
    assert 'Process 1 of 2 takes 0.' in warnings[0]
    # Before the checkpoint that it would have been in.
    assert 'iteration 12 the weights of the processes are no longer the same' in result.stderr
    assert 'network.layers.0.weight in process 1' in result.stderr
    assert os.path.exists(work_dir / 'iter_8.pth')
    assert not os.path.exists(work_dir / 'iter_12.pth')
    again = torchrun(2, 'train', TINY, '--work-dir', work_dir, '--resume', **seed)
    assert again.returncode == 0, again.stderr
    assert 'a step more' not in again.stderr


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64])
def test_any_bit_of_any_weight_changes_its_sum(dtype):
    model = nn.Linear(7, 5).to(dtype)
    names, before = digests(model)
    assert names == ['weight', 'bias']
    for place in range(35):
        changed = nn.Linear(7, 5).to(dtype)
        changed.load_state_dict(model.state_dict())
        flat = changed.weight.data.view(-1).view(
            {2: torch.int16, 4: torch.int32, 8: torch.int64}[changed.weight.element_size()]
        )
        flat[place] ^= 1
        after = digests(changed)[1]
        assert after[0] != before[0] and after[1] == before[1]
