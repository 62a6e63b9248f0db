from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub

from irbox.engine.hooks import RuntimeInfoHook
from irbox.registry import HOOKS


def make_runner(name, max_iters=7):
    return SimpleNamespace(iter=0, max_iters=max_iters, message_hub=MessageHub(name))


def run(hook, runner, losses):
    for iteration, loss in enumerate(losses):
        runner.iter = iteration
        hook.after_train_iter(runner, iteration, outputs={'loss': loss, 'loss_pixel': loss / 2})


def test_every_loss_is_noted_but_read_only_now_and_then():
    runner = make_runner('every_loss')
    hook = RuntimeInfoHook(interval=3)
    losses = torch.arange(1.0, 8.0, requires_grad=True)
    run(hook, runner, losses[:2])
    assert 'train/loss' not in runner.message_hub.log_scalars
    runner.iter = 2
    hook.after_train_iter(runner, 2, outputs={'loss': losses[2], 'loss_pixel': losses[2] / 2})
    assert runner.message_hub.get_scalar('train/loss').data[0].tolist() == [1, 2, 3]
    for iteration in range(3, 7):  # the last one is read although it is no multiple of 3
        runner.iter = iteration
        hook.after_train_iter(runner, iteration, outputs={'loss': losses[iteration]})
    assert runner.message_hub.get_scalar('train/loss').data[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert runner.message_hub.get_scalar('train/loss_pixel').data[0].tolist() == [0.5, 1, 1.5]


def test_nothing_is_left_unread_when_a_checkpoint_is_saved():
    runner = make_runner('unread')
    hook = RuntimeInfoHook(interval=100)
    run(hook, runner, torch.ones(2))
    hook.before_saving(runner)
    assert runner.message_hub.get_scalar('train/loss').data[0].tolist() == [1, 1]
    assert hook.pending == []


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_divergence_names_the_iteration(bad):
    runner = make_runner('divergence')
    hook = RuntimeInfoHook(interval=4, limit=1)
    with pytest.raises(FloatingPointError, match=r'iteration 3 loss was (nan|inf), loss_pixel'):
        run(hook, runner, torch.tensor([1, 2, bad, 3]))


def test_a_bad_loss_spoils_no_mean():
    runner = make_runner('bad_loss')
    run(RuntimeInfoHook(interval=1, limit=2), runner, torch.tensor([1, float('nan'), 3, torch.inf]))
    assert runner.message_hub.get_scalar('train/loss').data[0].tolist() == [1, 3]


def test_histories_stay_short():
    runner = make_runner('histories', max_iters=10**6)
    hook = RuntimeInfoHook(interval=1)
    run(hook, runner, torch.ones(1100))
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 1000


def test_interval_must_be_positive():
    with pytest.raises(ValueError, match='interval: 0 must be a whole number above 0'):
        HOOKS.build({'type': 'RuntimeInfoHook', 'interval': 0})
