"""Processes exchange gradients once a step, not once a batch."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.prepare import prepare_training
from irbox.engine.train import dry_run
from irbox.registry import MODELS
from support.paths import TINY


@pytest.mark.parametrize(('counts', 'reductions'), [(1, 8), (4, 2), (3, 3)])
def test_reductions_of_eight_batches(group, counts, reductions):
    """One process can tell as well: DDP asks for each reduction whatever the number."""
    compat.init()
    config = load_config(TINY)
    model = MODELS.build(config.model)
    wrapped = MMDistributedDataParallel(model, gradient_as_bucket_view=True, bucket_cap_mb=10)
    seen = []

    def counted(state, bucket):
        if bucket.is_last():
            seen.append(bucket.index())
        return allreduce_hook(state, bucket)

    wrapped.register_comm_hook(None, counted)
    section = {**config.optim_wrapper.to_dict(), 'type': 'OptimWrapper'}
    wrapper = build_optim_wrapper(wrapped, {**section, 'accumulative_counts': counts})
    wrapper.initialize_count_status(wrapped, 0, 8)
    target = torch.rand(2, 3, 16, 16)
    batch = {'image': target / 2, 'target': target}
    for _ in range(8):
        wrapped.train_step(batch, wrapper)
    assert len(seen) == reductions


def test_a_static_graph_wants_every_batch():
    config = load_config(TINY, {'model_wrapper_cfg.static_graph': True})
    with pytest.raises(ValueError, match='static_graph: .*accumulative_counts=2'):
        prepare_training(config)


def test_whether_the_learning_rate_follows_the_batch_is_said(tmp_path, capsys):
    scaled = {'auto_scale_lr': {'enable': True, 'base_batch_size': 4}, 'work_dir': str(tmp_path)}
    dry_run(load_config(TINY, scaled))
    assert 'times 2 / 4, the batch (auto_scale_lr)' in capsys.readouterr().out
    with pytest.raises(ValueError, match='base_batch_size'):
        prepare_training(load_config(TINY, {'auto_scale_lr': {'enable': True}}))
