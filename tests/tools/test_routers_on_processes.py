"""M2Restore and M2IR, narrow, decide and learn on several processes as on one."""

import pytest
import torch

from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT
from support.torchrun import torchrun
from support.training import train_here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('elsewhere')]
# Adam would divide gradients that are rounding alone by themselves.
SHORT = {
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'train_cfg.max_iters': 3,
    'train_dataloader.dataset.patch_size': 32,
    'train_dataloader.num_workers': 0,
    'optim_wrapper.optimizer': {'_delete_': True, 'type': 'SGD', 'lr': 0.05},
}
SHARDED = {'strategy': 'fsdp2', 'recompute_blocks': True}


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """One process with the whole batch, once for each system."""
    found = {}

    def get(system):
        if system not in found:
            folder = tmp_path_factory.mktemp(system)
            options = SHORT | {'train_dataloader.batch_size': 4}
            train_here(ROOT / f'configs/{system}_demo.py', folder, **options)
            found[system] = read_checkpoint(folder / 'iter_3.pth')
        return found[system]

    return get


@pytest.mark.parametrize(
    ('system', 'number', 'strategy'),
    [
        ('m2restore', 2, {}),
        ('m2ir', 2, {}),
        ('m2restore', 4, SHARDED),
        ('m2ir', 2, SHARDED),
    ],
)
def test_routers_decide_as_on_one_process(one, system, number, strategy):
    """Noise belongs to the image, the load is that of the whole batch, and no routing is lost."""
    options = SHORT | strategy | {'train_dataloader.batch_size': 4 // number}
    config = ROOT / f'configs/{system}_demo.py'
    result = torchrun(number, 'train', config, '--work-dir', 'many', **options)
    assert result.returncode == 0, result.stderr
    many = read_checkpoint('many/iter_3.pth')
    for part in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(many[part], one(system)[part], rtol=0, atol=1e-6)
    scalars = [found['message_hub']['log_scalars'] for found in (many, one(system))]
    for key in ('train/loss', 'train/loss_pixel', 'train/loss_balance', 'train/loss_label'):
        assert scalars[0][key][0] == pytest.approx(scalars[1][key][0], rel=0, abs=1e-6)
